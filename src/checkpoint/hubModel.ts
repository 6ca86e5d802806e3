/** Models of the Hugging Face hub by name: `hf:organisation/name@revision`, fetched once and then kept. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { DownloadEvent, DownloadResult } from "./download.js";

const prefix = "hf:";

export interface FetchOptions {
  /** Another hub than HF_ENDPOINT or the public one. */
  readonly hub?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: DownloadEvent) => void) | undefined;
}

/** The name of a model of the hub, revision included; null for a path. */
export function hubModel(name: string): string | null {
  return name.startsWith(prefix) ? name.slice(prefix.length) : null;
}

/** The directory or run that a name stands for; fetches what is on the hub. @throws RangeError for a name or download that fails */
export async function localModel(name: string, options: FetchOptions = {}): Promise<string> {
  const model = hubModel(name);
  if (model === null) return name;
  const { parseRepo } = await import("./download.js");
  const { repo, revision } = parseRepo(model);
  const directory = join(modelCache(), `${repo}@${revision}`.replaceAll("/", "--"));
  return (await fetchModel(model, directory, options)).directory;
}

/** Fetches a model, token and hub from the environment. @param model organisation/name@revision */
export async function fetchModel(
  model: string,
  directory: string,
  options: FetchOptions = {},
): Promise<DownloadResult> {
  const { downloadModel, parseRepo } = await import("./download.js");
  const hubUrl = options.hub ?? process.env.HF_ENDPOINT;
  const accessToken = process.env.HF_TOKEN;
  return downloadModel({
    ...parseRepo(model),
    directory,
    ...(hubUrl === undefined || hubUrl === "" ? {} : { hubUrl: hubUrl.replace(/\/+$/, "") }),
    ...(accessToken === undefined || accessToken === "" ? {} : { accessToken }),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onEvent ? { onEvent: options.onEvent } : {}),
  });
}

/** Where models from the hub are kept: FATHOM_CACHE, else the user's cache folder. */
function modelCache(): string {
  const own = process.env.FATHOM_CACHE;
  if (own) return join(own, "models");
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "fathom", "models");
}
