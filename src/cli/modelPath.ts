/** What a user may name as a model: a path, or `hf:organisation/name@revision`; what is fetched is told on standard error. */
import type { DownloadEvent, DownloadResult } from "../checkpoint/download.js";
import * as hub from "../checkpoint/hubModel.js";
import { abortedBySigint, grouped, say } from "./output.js";

/** How options and arguments that take a model describe it. */
export const modelHelp = "a run, a checkpoint, a directory with config.json, or hf:org/name@revision";

/** The directory or run that a name stands for; fetches what is on the hub. @throws RangeError for a name or download that fails */
export async function localModel(name: string): Promise<string> {
  const model = hub.hubModel(name);
  return model === null ? name : hub.localModel(name, progressOf(model));
}

/** The name that requests use for a model from the hub; null for a path. */
export function hubName(name: string): string | null {
  return hub.hubModel(name)?.replace(/@.*$/, "") ?? null;
}

/** @param url another hub than HF_ENDPOINT or the public one */
export function fetchModel(model: string, directory: string, url: string | undefined): Promise<DownloadResult> {
  return hub.fetchModel(model, directory, { ...progressOf(model), hub: url });
}

function progressOf(model: string): hub.FetchOptions {
  let told = performance.now();
  const onEvent = (event: DownloadEvent): void => {
    if (event.kind === "resolved") {
      say(`${model}: commit ${event.commit}, ${event.files} files, ${grouped(event.bytes)} bytes`);
    } else if (event.kind === "file") {
      say(`${event.path}: ${grouped(event.bytes)} bytes, ${event.isNew ? "hash right" : "there already"}`);
    } else if (performance.now() - told > 1000) {
      told = performance.now();
      say(`${event.path}: ${((100 * event.bytes) / Math.max(1, event.totalBytes)).toFixed(1)} %`);
    }
  };
  return { onEvent, signal: abortedBySigint("interrupted; whole files are kept, run again to go on") };
}
