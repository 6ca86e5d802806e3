/**
 * A server from its start to its end: it listens at once and answers 503 until the models are open, looks for new checkpoints, and when it is
 * told to go, first says that it is not ready, then lets what runs come to its end, and after a while ends it.
 */
import type { Logger } from "pino";
import { createApp, type PageRoutes } from "./app.js";
import { type Listening, listen } from "./listen.js";
import { type ModelEvent, type OpenModel, type ServedModelOptions, ServedModels } from "./servedModels.js";
import { type ServerContext, Shutdown } from "./serverContext.js";
import { ServerMetrics } from "./serverMetrics.js";
import type { ServerSettings } from "./settings.js";

export interface ServerOptions {
  readonly settings: ServerSettings;
  readonly models: readonly ServedModelOptions[];
  readonly open: OpenModel;
  readonly log: Logger;
  readonly version: string;
  readonly page?: (context: ServerContext) => PageRoutes;
  readonly onModel?: (event: ModelEvent) => void;
}

/** Characters of a rendered chat per byte of the largest body: templates add to what was sent. */
const templateGrowth = 2;

/** For what was written to reach clients that read slowly. */
const lastWordsMs = 1000;

export class FathomServer {
  readonly context: ServerContext;
  readonly #listening: Listening;

  private constructor(context: ServerContext, listening: Listening) {
    this.context = context;
    this.#listening = listening;
  }

  /**
   * @returns once the models are open
   * @throws RangeError for a model that cannot be opened; the system's error for a port that cannot be had
   */
  static async start(options: ServerOptions): Promise<FathomServer> {
    const context = createContext(options);
    const { settings, models } = context;
    const listening = await listen(createApp(context, options.page?.(context) ?? null), settings);
    const server = new FathomServer(context, listening);
    try {
      await models.open();
    } catch (error) {
      await server.#end();
      throw error;
    }
    if (settings.reloadMs > 0) models.watch(settings.reloadMs);
    return server;
  }

  get url(): string {
    return this.#listening.url;
  }

  /** @returns when all is over: what runs has ended by itself, or been ended after the settings' time */
  async drain(): Promise<void> {
    const { shutdown, models, settings } = this.context;
    shutdown.drain();
    const until = performance.now() + settings.drainMs;
    const isIdle = (): boolean => models.all.every(({ admission }) => admission.inFlight === 0);
    while (!isIdle() && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.context.shutdown.end();
    await this.#listening.close(lastWordsMs);
    await this.context.models.close();
    this.context.metrics.close();
  }
}

/** What the routes need, without a port: for tests, and for programs that have a server of their own. */
export function createContext({ settings, models, open, log, version, onModel }: ServerOptions): ServerContext {
  const metrics = new ServerMetrics(settings.metricsNames);
  const served = new ServedModels(models, {
    open,
    prompts: {
      templateMs: settings.templateMs,
      longTextCharacters: settings.longTextCharacters,
      maxTextCharacters: settings.maxBodyBytes * templateGrowth,
    },
    maxInFlight: settings.maxInFlight,
    onEvent: (event) => {
      const { kind, id: model, directory } = event;
      if ("error" in event) {
        const what = kind === "failed" ? "a new checkpoint was not taken" : "the model cannot be served";
        log.error({ model, directory, err: event.error }, what);
      } else log.info({ model, directory, ms: Math.round(event.ms) }, kind);
      if (kind === "reloaded" || kind === "failed") {
        metrics.count("reloads", event.id, { result: event.kind === "reloaded" ? "ok" : "error" });
      }
      onModel?.(event);
    },
  });
  return { settings, models: served, metrics, log, version, shutdown: new Shutdown() };
}
