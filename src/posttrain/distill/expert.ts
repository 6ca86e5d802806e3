/** Whoever answers prompts: an own checkpoint (engineExpert.ts), any endpoint (endpointExpert.ts), a script in tests. */
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import type { Candidate } from "./records.js";

export interface Question {
  /** For messages: what is asked, and which sample of it. */
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly seed: number;
}

export type Answered = Pick<Candidate, "completion" | "finish_reason" | "token_count">;

export interface Expert extends AsyncDisposable {
  /** As candidates name it. */
  readonly name: string;
  /** Questions it takes at once. */
  readonly atOnce: number;
  /** @throws RangeError for a question that cannot be answered; Error where it fails */
  ask(question: Question, signal: AbortSignal): Promise<Answered>;
}
