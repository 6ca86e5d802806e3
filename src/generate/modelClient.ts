/** The callers' side of the protocol: a `Model` whose engine is somewhere else. */
import type { ModelConfig } from "../model/config.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkRequest } from "./checkRequest.js";
import { type EngineCall, type EngineMessage, errorOf } from "./engineProtocol.js";
import { EventQueue } from "./eventQueue.js";
import { damagedFiles } from "./modelFailure.js";
import type { EngineStats, GenerationEvent, GenerationRequest, Model, ModelInfo } from "./request.js";

/** The way to an engine. */
export interface EngineLink {
  send(call: EngineCall): void;
  /** Whether answers are awaited: an idle engine keeps no process alive. */
  keepAlive(isNeeded: boolean): void;
  /** Ends it for good, after its last message. */
  end(): Promise<void>;
}

export class ModelClient implements Model {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer | null;
  readonly #link: EngineLink;
  readonly #requests = new Map<number, EventQueue<GenerationEvent>>();
  readonly #left = new Map<number, number>();
  readonly #stats = new Map<number, { resolve: (stats: EngineStats) => void; reject: (error: Error) => void }>();
  #nextId = 0;
  #damage: string | null = null;
  #failure: Error | null = null;
  #closing: Promise<void> | null = null;
  #closed: (() => void) | null = null;

  constructor(config: ModelConfig, info: Omit<ModelInfo, "config">, tokenizer: Tokenizer | null, link: EngineLink) {
    this.info = { ...info, config };
    this.tokenizer = tokenizer;
    this.#link = link;
  }

  get damage(): string | null {
    return this.#damage;
  }

  async *stream(request: GenerationRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent, void> {
    this.#checkAlive();
    if (this.#damage !== null) throw damagedFiles(this.#damage);
    const { maxPositions, config } = this.info;
    const { prompt, n } = checkRequest(request, { config, maxPositions, hasTokenizer: this.tokenizer !== null });
    const id = this.#nextId++;
    const queue = new EventQueue<GenerationEvent>();
    this.#requests.set(id, queue);
    this.#left.set(id, n);
    this.#link.keepAlive(true);
    const abort = (): void => this.#link.send({ type: "abort", id });
    try {
      this.#link.send({ type: "add", id, request: { ...request, prompt } });
      signal?.addEventListener("abort", abort, { once: true });
      if (signal?.aborted) abort();
      yield* queue;
    } finally {
      signal?.removeEventListener("abort", abort);
      if (this.#requests.has(id)) abort(); // The reader left; what still comes is dropped.
      this.#forget(id);
    }
  }

  stats(): Promise<EngineStats> {
    return new Promise((resolve, reject) => {
      this.#checkAlive();
      const id = this.#nextId++;
      this.#stats.set(id, { resolve, reject });
      this.#link.keepAlive(true);
      this.#link.send({ type: "stats", id });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A message of the engine. */
  receive(message: EngineMessage): void {
    switch (message.type) {
      case "events":
        for (const [id, event] of message.events) this.#deliver(id, event);
        break;
      case "refused":
        this.#requests.get(message.id)?.fail(errorOf(message.error));
        this.#forget(message.id);
        break;
      case "stats":
        this.#stats.get(message.id)?.resolve(message.stats);
        this.#stats.delete(message.id);
        this.#rest();
        break;
      case "damaged":
        this.#damage = message.damage;
        break;
      case "closed":
        this.#closed?.();
        break;
      case "ready":
      case "failed":
        break; // Before this client was made.
      default:
        message satisfies never;
    }
  }

  /** The engine is gone: everything that waits for it fails. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    for (const queue of this.#requests.values()) queue.fail(error);
    for (const { reject } of this.#stats.values()) reject(error);
    this.#requests.clear();
    this.#stats.clear();
    this.#closed?.();
  }

  #deliver(id: number, event: GenerationEvent): void {
    const queue = this.#requests.get(id);
    if (!queue) return;
    queue.push(event);
    if (event.type !== "finish") return;
    const left = (this.#left.get(id) ?? 1) - 1;
    this.#left.set(id, left);
    if (left > 0) return;
    queue.end();
    this.#forget(id);
  }

  #forget(id: number): void {
    this.#requests.delete(id);
    this.#left.delete(id);
    this.#rest();
  }

  #rest(): void {
    if (this.#requests.size === 0 && this.#stats.size === 0 && !this.#closing) this.#link.keepAlive(false);
  }

  async #close(): Promise<void> {
    if (!this.#failure) {
      const closed = new Promise<void>((resolve) => {
        this.#closed = resolve;
      });
      this.#link.keepAlive(true);
      this.#link.send({ type: "close" });
      await closed;
    }
    this.fail(new Error(`${this.info.directory}: the model is closed`));
    await this.#link.end();
  }

  #checkAlive(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new Error(`${this.info.directory}: the model is closed`);
  }
}
