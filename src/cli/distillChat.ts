/** `fathom distill generate-chat`: answers to questions that no rule can check, from a chat model or from files, for a person to review. */

import { join } from "node:path";
import { Command } from "commander";
import { files } from "../posttrain/distill/records.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { addExpertOptions, type ExpertFlags, openExpert, samplePrinter, samplingOf } from "./expertOptions.js";
import { act, grouped, integerOption, type Outcome, repeated } from "./output.js";

export interface ChatFlags extends ExpertFlags {
  readonly samples?: number;
  readonly system?: string;
  readonly fromChat?: readonly string[];
}

const temperature = 0.7;

export function generateChatCommand(): Command {
  const command = new Command("generate-chat")
    .description(
      "Let a chat model answer the general questions, or take conversations of files, and queue them for review.",
    )
    .argument(...directoryArgument)
    .option("--from-chat <file>", "conversations to review, as fathom sft reads them; may be repeated", repeated)
    .addOption(integerOption("--samples <n>", "answers to each general question (default 1)", 1, 1000))
    .option("--system <text>", "system prompt, which stays in the records");
  addExpertOptions(command, "model", "the chat model", temperature).addHelpText(
    "after",
    `
Questions are those of the domain general among the prompts.

Example:
  fathom data generate --family dates --split train --count 20 --out chats.jsonl
  fathom distill generate-chat distilled --from-chat chats.jsonl`,
  );
  return act<ChatFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, flags.fromChat ? "nothing" : "prompts", (stoppable) =>
      generateChat(directory, flags, stoppable()),
    ),
  );
}

async function generateChat(directory: string, flags: ChatFlags, signal: AbortSignal): Promise<Outcome> {
  const { queueChats } = await import("../posttrain/distill/chatFiles.js");
  const { readPrompts } = await import("../posttrain/distill/records.js");
  const { sampleCandidates, sampleTasks } = await import("../posttrain/distill/sample.js");
  const { queueStep, reviewTally } = await import("../posttrain/distill/steps.js");
  if (!flags.fromChat && flags.model === undefined)
    throw new RangeError("give who answers: --model, a path or a URL; or conversations: --from-chat FILE");
  const read = flags.fromChat
    ? await queueChats(join(directory, files.review), flags.fromChat)
    : { queued: 0, passed: 0 };
  let made = { queued: 0, unusable: 0 };
  let isStopped = false;
  if (flags.model !== undefined) {
    const all = readPrompts(join(directory, files.prompts));
    const general = all.filter(({ domain }) => domain === "general");
    if (general.length === 0) {
      throw new RangeError(
        `${directory}: no general prompts: fathom distill prompts takes them from files (--from FILE --domain general)`,
      );
    }
    await using expert = await openExpert(flags, signal);
    const tasks = sampleTasks(general, flags.samples ?? 1, flags.system ?? null);
    const path = join(directory, files.chat);
    const options = samplingOf(flags, temperature);
    ({ isStopped } = await sampleCandidates(path, tasks, expert, options, signal, samplePrinter()));
    made = await queueStep(directory, path, general);
  }
  const waiting = (await reviewTally(directory))?.waiting ?? 0;
  const queued = read.queued + made.queued;
  const result = { directory, queued, unusable: made.unusable, passed: read.passed, waiting };
  const text =
    `${join(directory, files.review)}: ${grouped(queued)} new records, ${grouped(waiting)} wait for review; left out: ` +
    `${grouped(made.unusable)} cut or malformed answers, ${grouped(read.passed)} rows without an answer to review`;
  return { result, text, isInterrupted: isStopped };
}
