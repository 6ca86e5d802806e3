/** Whoever answers prompts: an own checkpoint (engineExpert.ts), any endpoint (endpointExpert.ts), a script in tests. */
import { createHash } from "node:crypto";
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";

export interface Question {
  /** For messages: what is asked, and which sample of it. */
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly seed: number;
}

export interface Answered {
  readonly completion: string;
  readonly finish_reason: "stop" | "length";
  readonly token_count: number;
}

export interface Expert extends AsyncDisposable {
  /** As candidates name it. */
  readonly name: string;
  /** Questions it takes at once. */
  readonly atOnce: number;
  /** @throws RangeError for a question that cannot be answered; Error where it fails */
  ask(question: Question, signal: AbortSignal): Promise<Answered>;
}

/** The seed of a sample: 30 bits of what it answers, and its number. */
export function sampleSeed(base: number, name: string, index: number): number {
  const bits = createHash("sha256").update(`${base}\n${name}`).digest().readUInt32BE(0);
  return (bits >>> 2) + index;
}
