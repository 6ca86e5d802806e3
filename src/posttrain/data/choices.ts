/** What can be chosen when chat data is read, rendered and packed, by name. Nothing but names, for whoever only lists them. */

/** Formats of rows; post-training.md 3.2. */
export const dataFormats = [
  "messages",
  "prompt-completion",
  "text",
  "preference",
  "kto",
  "stepwise",
  "prompt",
  "sharegpt",
  "alpaca",
  "verl",
] as const;
export type DataFormat = (typeof dataFormats)[number];

/** Deviations from the order of a conversation that can be allowed. */
export const irregularities = [
  "assistant-first",
  "repeated-user",
  "repeated-assistant",
  "late-system",
  "unanswered-call",
  "user-last",
] as const;
export type Irregularity = (typeof irregularities)[number];

/** What is learned: every token, the completion's turns, every turn of the assistant, or the last one. A weight of 0 takes a turn out. */
export const lossModes = ["all", "completion_only", "assistant_only", "last_assistant_only"] as const;
export type LossMode = (typeof lossModes)[number];

/** Best fit decreasing; the same after sequences longer than a micro-batch are cut into pieces; one sequence to a micro-batch. */
export const packingStrategies = ["bfd", "bfd_split", "none"] as const;
export type PackingStrategy = (typeof packingStrategies)[number];
