/** One request on its way: sends it, gathers the answer, measures as the reader sees it, and can be stopped. */
import { openStream } from "../api.js";
import { readEvents } from "../sse.js";
import { Answer } from "./answer.js";
import { roomFor, withinRoom } from "./room.js";
import type { Asked, WireRequest } from "./settings.js";

export type GenerationStatus = "waiting" | "writing" | "done" | "stopped" | "failed";

export class Generation {
  readonly answers: readonly Answer[];
  /** Which of them the reader looks at. */
  shown = 0;
  readonly model: string;
  readonly #seed: number;
  status: GenerationStatus = "waiting";
  error: string | null = null;
  /** Whether the end of the model's positions comes before max tokens. */
  isShortOfRoom = false;
  readonly #abort = new AbortController();
  #startedMs = performance.now();
  #firstMs: number | null = null;
  #lastMs = 0;
  /** Tokens of the first chunk that had any: their time is that of the prompt. */
  #firstTokens = 0;

  /** @param seed of the first answer */
  constructor(model: string, seed: number, choices = 1) {
    this.model = model;
    this.#seed = seed;
    this.answers = Array.from({ length: choices }, (_, i) => new Answer(i));
  }

  /** The one that is shown. */
  get answer(): Answer {
    const answer = this.answers[this.shown];
    if (!answer) throw new Error(`there is no answer ${this.shown} of ${this.answers.length}`);
    return answer;
  }

  /** With which the answer that is shown comes again, alone. */
  get seed(): number {
    return this.#seed + this.shown;
  }

  get isRunning(): boolean {
    return this.status === "waiting" || this.status === "writing";
  }

  get numTokens(): number {
    // The server counts all answers together.
    const told = this.answers.length === 1 ? this.answer.usage?.completionTokens : undefined;
    return told ?? this.answer.tokens.length;
  }

  /** Of the server where it tells, else as they came here; null before there are two. */
  get tokensPerSecond(): number | null {
    const told = this.answer.timings.tokensPerSecond;
    if (told !== undefined) return told;
    const later = this.#numWritten - this.#firstTokens;
    if (this.#firstMs === null || later < 1 || this.#lastMs <= this.#firstMs) return null;
    return (1000 * later) / (this.#lastMs - this.#firstMs);
  }

  /** From the request to the first token, seen from here. */
  get firstTokenMs(): number | null {
    return this.#firstMs === null ? null : this.#firstMs - this.#startedMs;
  }

  /** Part of the written tokens that MTP drafted; null if the server does not tell. */
  get draftedShare(): number | null {
    const told = this.answer.tokens.filter(({ isDrafted }) => isDrafted !== null);
    return told.length === 0 ? null : told.filter(({ isDrafted }) => isDrafted).length / told.length;
  }

  stop(): void {
    this.#abort.abort();
  }

  /** @param onChange after every chunk and at the end; never rejects */
  async run(asked: Asked, wanted: WireRequest, onChange: () => void): Promise<void> {
    try {
      const request = withinRoom(wanted, await roomFor(asked, wanted, this.#abort.signal));
      this.isShortOfRoom = request !== wanted;
      const { path, body } = request;
      this.#startedMs = performance.now();
      const stream = await openStream(path, body, this.#abort.signal);
      for await (const { data } of readEvents(stream)) {
        if (data === "[DONE]") break;
        const chunk: unknown = JSON.parse(data);
        for (const answer of this.answers) answer.add(chunk);
        this.#clock();
        onChange();
      }
      this.status = "done";
    } catch (error) {
      this.status = this.#abort.signal.aborted ? "stopped" : "failed";
      if (this.status === "failed") this.error = error instanceof Error ? error.message : String(error);
    }
    onChange();
  }

  get #numWritten(): number {
    return this.answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  #clock(): void {
    const length = this.#numWritten;
    if (length === 0) return;
    const now = performance.now();
    if (this.#firstMs === null) {
      this.#firstMs = now;
      this.#firstTokens = length;
      this.status = "writing";
    }
    // Chunks without tokens, as the last one with the usage, are no measure of the speed.
    if (length !== this.#seen) this.#lastMs = now;
    this.#seen = length;
  }

  #seen = 0;
}
