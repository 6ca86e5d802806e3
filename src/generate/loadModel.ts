/**
 * Opens a model that answers: weights and cache live in a thread of their own, requests and tokens cross as plain data, so that whoever asks
 * stays free while the model thinks.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { readConfig } from "../checkpoint/modelFiles.js";
import { findModel, type ModelSource, tokenizerFolder } from "../checkpoint/modelSource.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { Engine, type EngineOptions } from "./engine.js";
import { EngineHost } from "./engineHost.js";
import { type EngineCall, type EngineMessage, errorOf, type Refusal } from "./engineProtocol.js";
import { type EngineSettings, hostCheckpoint } from "./hostCheckpoint.js";
import { LanguageModel } from "./languageModel.js";
import { type EngineLink, ModelClient } from "./modelClient.js";
import { openTokenizer } from "./openTokenizer.js";
import type { ModelInfo } from "./request.js";

/** All may be left out. */
export interface LoadOptions extends EngineSettings {
  /** An adapter (PEFT's layout) to put over the model, unmerged. Default: none, or the one that the path is. */
  readonly adapter?: string;
}

const ranges = {
  threads: [1, 1024],
  maxBatch: [1, 1024],
  cacheTokens: [1, 2 ** 31],
  speculation: [0, 4],
} as const;

/**
 * @param path a run, a checkpoint, a directory with config.json, an adapter, or hf:org/name@revision
 * @throws RangeError for a path without a model, files that do not fit together, or options out of range
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LanguageModel> {
  for (const [name, [from, to]] of Object.entries(ranges)) {
    const value = options[name as keyof typeof ranges];
    if (value === undefined || (Number.isInteger(value) && value >= from && value <= to)) continue;
    throw new RangeError(`loadModel: ${name} must be a whole number from ${from} to ${to}, got ${value}`);
  }
  const { adapter, ...settings } = options;
  const source = await findModel(path, adapter);
  const config = readConfig(source.directory);
  const tokenizer = openTokenizer(tokenizerFolder(source), config);
  const { link, info, listen } = await connect(source, settings);
  const client = new ModelClient(config, info, tokenizer, link);
  listen(client);
  return new LanguageModel(client);
}

/**
 * A model that this thread holds already, such as one that is being trained: answers between the other work of the thread, and never frees
 * the model.
 */
export function modelInThread(
  model: DeepseekV3,
  tokenizer: Tokenizer | null,
  options: Omit<EngineOptions, "breathe">,
): LanguageModel {
  const local = new LocalLink();
  let maxPositions = 0;
  local.host = new EngineHost(
    (breathe) => {
      const engine = new Engine(model, tokenizer, { ...options, breathe });
      maxPositions = engine.maxPositions;
      return engine;
    },
    (message) => local.client?.receive(message),
    () => {},
  );
  const info = {
    directory: "this process",
    adapter: null,
    weights: model.dtype,
    cache: options.cacheDtype ?? model.dtype,
    maxPositions,
  };
  local.client = new ModelClient(model.config, info, tokenizer, local);
  return new LanguageModel(local.client);
}

interface Connection {
  readonly link: EngineLink;
  readonly info: Omit<ModelInfo, "config">;
  readonly listen: (client: ModelClient) => void;
}

/** Starts the engine's thread; in uncompiled sources, which Node loads into no worker, the engine runs in this one. */
async function connect(source: ModelSource, settings: EngineSettings): Promise<Connection> {
  const file = new URL("./engineWorker.js", import.meta.url);
  if (!existsSync(fileURLToPath(file))) return connectHere(source, settings);
  const worker = new Worker(file, { workerData: { source, settings: plain(settings) } });
  const first = await new Promise<EngineMessage>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) =>
      reject(new Error(`${source.directory}: the engine ended with code ${code} at its start`)),
    );
  });
  if (first.type !== "ready") {
    await worker.terminate();
    throw first.type === "failed"
      ? errorOf(first.error)
      : new Error("internal: the engine did not say that it is ready");
  }
  worker.unref();
  const link: EngineLink = {
    send: (call: EngineCall) => worker.postMessage(call),
    keepAlive: (isNeeded) => (isNeeded ? worker.ref() : worker.unref()),
    end: async () => {
      await worker.terminate();
    },
  };
  const listen = (client: ModelClient): void => {
    worker.on("message", (message: EngineMessage) => client.receive(message));
    worker.on("error", (error) => client.fail(new Error(`the engine failed: ${error.message}`)));
    worker.on("exit", (code) => client.fail(new Error(`the engine ended with code ${code}`)));
  };
  return { link, info: first.info, listen };
}

function connectHere(source: ModelSource, settings: EngineSettings): Connection {
  const local = new LocalLink();
  let info: Omit<ModelInfo, "config"> | null = null;
  let failure: Refusal | null = null;
  local.host = hostCheckpoint({ source, settings }, (message) => {
    if (message.type === "ready") info = message.info;
    else if (message.type === "failed") failure = message.error;
    else local.client?.receive(message);
  });
  if (failure || !info) throw errorOf(failure ?? { message: "internal: no engine", isRangeError: false });
  return {
    link: local,
    info,
    listen: (client) => {
      local.client = client;
    },
  };
}

/** An engine in the same thread. */
class LocalLink implements EngineLink {
  host: EngineHost | null = null;
  client: ModelClient | null = null;

  send(call: EngineCall): void {
    this.host?.handle(call);
  }

  keepAlive(): void {}

  async end(): Promise<void> {}
}

/** Options without those that are undefined, which do not cross between threads as such. */
function plain(settings: EngineSettings): EngineSettings {
  const { threads, dtype, weights, plainHead, cache, maxBatch, cacheTokens, speculation } = settings;
  const given = { threads, dtype, weights, plainHead, cache, maxBatch, cacheTokens, speculation };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
