/** One request on its way: sends it, gathers the answer, measures as the reader sees it, and can be stopped. */
import { openStream } from "../api.js";
import { readEvents } from "../sse.js";
import { Answer } from "./answer.js";
import { roomFor, withinRoom } from "./room.js";
import type { Asked, WireRequest } from "./settings.js";

export type GenerationStatus = "waiting" | "writing" | "done" | "stopped" | "failed";

export class Generation {
  readonly answer = new Answer();
  readonly model: string;
  readonly seed: number;
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

  constructor(model: string, seed: number) {
    this.model = model;
    this.seed = seed;
  }

  get isRunning(): boolean {
    return this.status === "waiting" || this.status === "writing";
  }

  get numTokens(): number {
    return this.answer.usage?.completionTokens ?? this.answer.tokens.length;
  }

  /** Of the server where it tells, else as they came here; null before there are two. */
  get tokensPerSecond(): number | null {
    const told = this.answer.timings.tokensPerSecond;
    if (told !== undefined) return told;
    const later = this.answer.tokens.length - this.#firstTokens;
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
        this.answer.add(JSON.parse(data));
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

  #clock(): void {
    const { length } = this.answer.tokens;
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
