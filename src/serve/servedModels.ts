/**
 * The models of a server by name. A run is looked at for a newer checkpoint from time to time: the new one is opened beside the old one,
 * takes over the requests that come from then on, and the old one goes when its last request has ended. One that is damaged is reported
 * and left alone, and the old one keeps serving. Where it is the open one whose files were cut short in their place, its requests fail until
 * there are good ones, and the other models go on.
 */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { manifestName } from "../checkpoint/manifest.js";
import { adapterConfigName, isAdapter, resolveModelOrAdapter } from "../checkpoint/runDirectory.js";
import type { Model } from "../generate/request.js";
import { Admission } from "./admission.js";
import { ApiError, damagedModel } from "./apiError.js";
import { checkpointChecker } from "./checkpointCheck.js";
import { OpenedModel } from "./openedModel.js";
import type { PromptSettings } from "./promptMaker.js";
import { SideThread } from "./sideThread.js";

/** Opens the model of a directory with config.json, or of an adapter's. */
export type OpenModel = (directory: string) => Promise<Model>;

export interface ServedModelOptions {
  /** Name in requests. */
  readonly id: string;
  /** A run, a checkpoint, a directory in Hugging Face layout, or an adapter. */
  readonly path: string;
}

export type ModelEvent =
  | { readonly kind: "opened" | "reloaded"; readonly id: string; readonly directory: string; readonly ms: number }
  /** A new checkpoint was not taken; the open one cannot serve any more. */
  | { readonly kind: "failed" | "damaged"; readonly id: string; readonly directory: string; readonly error: unknown };

export interface ServedModelsOptions {
  readonly open: OpenModel;
  readonly prompts: PromptSettings;
  readonly maxInFlight: number;
  readonly onEvent: (event: ModelEvent) => void;
}

/** What a request holds of a model while it runs. */
export interface Lease {
  readonly id: string;
  readonly opened: OpenedModel;
  readonly release: () => void;
}

export class ServedModel {
  readonly id: string;
  readonly path: string;
  readonly admission: Admission;
  readonly #options: ServedModelsOptions;
  #current: OpenedModel | null = null;
  /** Checkpoint that is open, or was tried last: a damaged one is not tried again until it changes. */
  #seen: string | null = null;
  #reload: Promise<void> | null = null;
  #failure: string | null = null;
  /** The checkpoint whose damage was reported. */
  #reported: OpenedModel | null = null;

  constructor({ id, path }: ServedModelOptions, options: ServedModelsOptions) {
    this.id = id;
    this.path = path;
    this.admission = new Admission(options.maxInFlight);
    this.#options = options;
  }

  /** Null while it is being opened. */
  get current(): OpenedModel | null {
    return this.#current;
  }

  /** Why the newest checkpoint is not the one that serves; null if it is. */
  get failure(): string | null {
    return this.#failure;
  }

  /** What has befallen the files of the one that serves; null if nothing has. */
  get damage(): string | null {
    return this.#current?.model.damage ?? null;
  }

  /** @throws RangeError for what cannot be opened */
  async open(): Promise<void> {
    const directory = resolveModelOrAdapter(this.path);
    const begun = performance.now();
    const identity = identityOf(directory);
    this.#current = new OpenedModel(await this.#options.open(directory), this.#options.prompts);
    this.#seen = identity;
    this.#options.onEvent({ kind: "opened", id: this.id, directory, ms: performance.now() - begun });
  }

  /** Takes over a newer checkpoint, if there is one; never throws. */
  async reload(): Promise<void> {
    this.#reportDamage();
    this.#reload ??= this.#tryReload().finally(() => {
      this.#reload = null;
    });
    await this.#reload;
  }

  /** @throws ApiError 503 while the model is being opened, and once its files are damaged */
  acquire(): Lease {
    const opened = this.#current;
    if (!opened) {
      throw new ApiError(503, "service_unavailable", `the model ${this.id} is being loaded`, {
        code: "loading",
        retryAfterSeconds: 2,
      });
    }
    this.#reportDamage();
    if (opened.model.damage !== null) throw damagedModel(this.id, opened.model.damage);
    return { id: this.id, opened, release: opened.use() };
  }

  async close(): Promise<void> {
    await this.#reload;
    await this.#current?.close();
  }

  #reportDamage(): void {
    const { damage } = this;
    if (damage === null || this.#reported === this.#current || !this.#current) return;
    this.#reported = this.#current;
    const { directory } = this.#current.model.info;
    this.#options.onEvent({ kind: "damaged", id: this.id, directory, error: new Error(damage) });
  }

  async #tryReload(): Promise<void> {
    if (!this.#current) return;
    let directory = this.path;
    try {
      directory = resolveModelOrAdapter(this.path);
      const identity = identityOf(directory);
      if (identity === this.#seen) return;
      this.#seen = identity;
      const begun = performance.now();
      await checkInThread(directory);
      const fresh = new OpenedModel(await this.#options.open(directory), this.#options.prompts);
      this.#current.retire();
      this.#current = fresh;
      this.#failure = null;
      this.#options.onEvent({ kind: "reloaded", id: this.id, directory, ms: performance.now() - begun });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text === this.#failure) return; // reported already
      this.#failure = text;
      this.#options.onEvent({ kind: "failed", id: this.id, directory, error });
    }
  }
}

export class ServedModels {
  readonly all: readonly ServedModel[];
  #timer: NodeJS.Timeout | null = null;

  /** @throws RangeError for no model, or two of one name */
  constructor(models: readonly ServedModelOptions[], options: ServedModelsOptions) {
    if (models.length === 0) throw new RangeError("serve: name at least one model");
    const ids = models.map(({ id }) => id);
    const twice = ids.find((id, i) => ids.indexOf(id) !== i);
    if (twice !== undefined) {
      throw new RangeError(`serve: two models would be called ${twice}; give them names with --alias`);
    }
    this.all = models.map((model) => new ServedModel(model, options));
  }

  /** One after the other, so that two do not fight for memory while they are read. */
  async open(): Promise<void> {
    for (const model of this.all) await model.open();
  }

  get isReady(): boolean {
    return this.all.every(({ current }) => current !== null);
  }

  /** The model of a request; without a name the first. @throws ApiError 404 */
  find(id: string | null | undefined): ServedModel {
    const found = id === null || id === undefined ? this.all[0] : this.all.find((model) => model.id === id);
    if (found) return found;
    const known = this.all.map((model) => model.id).join(", ");
    throw new ApiError(404, "not_found_error", `model: no model ${JSON.stringify(id)} here; there is ${known}`, {
      param: "model",
      code: "model_not_found",
    });
  }

  /** Looks for newer checkpoints every `everyMs`. */
  watch(everyMs: number): void {
    const look = async (): Promise<void> => {
      for (const model of this.all) await model.reload();
      this.#timer = setTimeout(look, everyMs).unref();
    };
    this.#timer = setTimeout(look, everyMs).unref();
  }

  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.all(this.all.map((model) => model.close()));
  }
}

/** The name that a path gives a model: `runs/quickstart` and its checkpoints are `quickstart`. */
export function modelId(path: string): string {
  const parts = resolve(path).split(/[\\/]/);
  const at = parts.lastIndexOf("checkpoints");
  return (at > 0 ? parts[at - 1] : undefined) ?? basename(resolve(path));
}

/** Tells a checkpoint from a later one in its place: a run's folders never change, but they, or files of them, may be replaced. */
function identityOf(directory: string): string {
  const { ino } = lstatSync(directory);
  const names = readdirSync(directory).filter((name) => name.endsWith(".safetensors"));
  const files = [isAdapter(directory) ? adapterConfigName : "config.json", manifestName, ...names.sort()].map(
    (name) => {
      const status = statSync(join(directory, name), { throwIfNoEntry: false });
      return [name, status?.ino, status?.size, status?.mtimeMs];
    },
  );
  return JSON.stringify([resolve(directory), ino, files]);
}

/** Reading every byte of a checkpoint takes seconds, so another thread does it. @throws RangeError for a damaged file */
async function checkInThread(directory: string): Promise<void> {
  const thread = new SideThread(new URL("./checkpointWorker.js", import.meta.url), checkpointChecker, null);
  try {
    await thread.run(directory);
  } finally {
    await thread.close();
  }
}
