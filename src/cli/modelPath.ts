/** What a user may name as a model: a path, or `hf:organisation/name@revision`, which is fetched once and then kept. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { DownloadResult } from "../checkpoint/download.js";
import { abortedBySigint, grouped, say } from "./output.js";

/** How options and arguments that take a model describe it. */
export const modelHelp = "a run, a checkpoint, a directory with config.json, or hf:org/name@revision";

const hubPrefix = "hf:";

/** The directory or run that a name stands for; fetches what is on the hub. @throws RangeError for a name or download that fails */
export async function localModel(name: string): Promise<string> {
  if (!name.startsWith(hubPrefix)) return name;
  const { parseRepo } = await import("../checkpoint/download.js");
  const model = name.slice(hubPrefix.length);
  const { repo, revision } = parseRepo(model);
  const directory = join(modelCache(), `${repo}@${revision}`.replaceAll("/", "--"));
  return (await fetchModel(model, directory, undefined)).directory;
}

/** The name that requests use for a model from the hub; null for a path. */
export function hubName(name: string): string | null {
  return name.startsWith(hubPrefix) ? name.slice(hubPrefix.length).replace(/@.*$/, "") : null;
}

/** Where models from the hub are kept: FATHOM_CACHE, else the user's cache folder. */
function modelCache(): string {
  const own = process.env.FATHOM_CACHE;
  if (own) return join(own, "models");
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "fathom", "models");
}

/** Fetches a model with its progress on standard error. @param hub another hub than HF_ENDPOINT or the public one */
export async function fetchModel(model: string, directory: string, hub: string | undefined): Promise<DownloadResult> {
  const { downloadModel, parseRepo } = await import("../checkpoint/download.js");
  const hubUrl = hub ?? process.env.HF_ENDPOINT;
  const accessToken = process.env.HF_TOKEN;
  let told = performance.now();
  return downloadModel({
    ...parseRepo(model),
    directory,
    ...(hubUrl === undefined || hubUrl === "" ? {} : { hubUrl: hubUrl.replace(/\/+$/, "") }),
    ...(accessToken === undefined || accessToken === "" ? {} : { accessToken }),
    signal: abortedBySigint("interrupted; whole files are kept, run again to go on"),
    onEvent: (event) => {
      if (event.kind === "resolved") {
        say(`${model}: commit ${event.commit}, ${event.files} files, ${grouped(event.bytes)} bytes`);
      } else if (event.kind === "file") {
        say(`${event.path}: ${grouped(event.bytes)} bytes, ${event.isNew ? "hash right" : "there already"}`);
      } else if (performance.now() - told > 1000) {
        told = performance.now();
        say(`${event.path}: ${((100 * event.bytes) / Math.max(1, event.totalBytes)).toFixed(1)} %`);
      }
    },
  });
}
