/** What every route is given: settings, models, measures, the log, and whether the server is going down. */
import { setMaxListeners } from "node:events";
import type { Logger } from "pino";
import type { ServedModels } from "./servedModels.js";
import type { ServerMetrics } from "./serverMetrics.js";
import type { ServerSettings } from "./settings.js";

export interface ServerContext {
  readonly settings: ServerSettings;
  readonly models: ServedModels;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  readonly version: string;
  readonly shutdown: Shutdown;
}

/** First no new requests are taken, then what still runs is ended. */
export class Shutdown {
  #isDraining = false;
  readonly #deadline = new AbortController();

  constructor() {
    setMaxListeners(0, this.#deadline.signal); // every running request listens
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Aborts when what still runs has to end. */
  get signal(): AbortSignal {
    return this.#deadline.signal;
  }

  drain(): void {
    this.#isDraining = true;
  }

  end(): void {
    this.#isDraining = true;
    this.#deadline.abort();
  }
}
