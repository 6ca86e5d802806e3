/** One checkpoint that is open, with all that requests need of it; it stays until the last of them has ended, also when a newer one has come. */
import { createHash } from "node:crypto";
import type { Model } from "../generate/request.js";
import { PromptMaker, type PromptSettings } from "./promptMaker.js";

export class OpenedModel {
  readonly model: Model;
  /** Null for a model without tokenizer. */
  readonly prompts: PromptMaker | null;
  /** Changes with the weights and how they are kept; `system_fingerprint` of answers. */
  readonly fingerprint: string;
  readonly openedAt = Date.now();
  #requests = 0;
  #isRetired = false;
  #closed: Promise<void> | null = null;

  constructor(model: Model, settings: PromptSettings) {
    const { directory, adapter, weights, cache, config } = model.info;
    this.model = model;
    this.prompts = model.tokenizer ? new PromptMaker(model.tokenizer, settings) : null;
    const hash = createHash("sha256").update(
      JSON.stringify([directory, ...(adapter ? [adapter] : []), weights, cache, config]),
    );
    this.fingerprint = `fp_${hash.digest("hex").slice(0, 12)}`;
  }

  /** @returns to be called once when the request has ended */
  use(): () => void {
    this.#requests++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#requests--;
      if (this.#isRetired && this.#requests === 0) void this.close();
    };
  }

  /** Closes as soon as no request uses it. */
  retire(): void {
    this.#isRetired = true;
    if (this.#requests === 0) void this.close();
  }

  async close(): Promise<void> {
    this.#closed ??= Promise.all([this.model.close(), this.prompts?.close()]).then(() => {});
    await this.#closed;
  }
}
