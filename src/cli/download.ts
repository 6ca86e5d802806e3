/** `fathom download`: a published model's files, pinned to a commit and checked by hash. */
import { Command } from "commander";
import { abortedBySigint, act, grouped, type Outcome, say } from "./output.js";

interface Flags {
  readonly out: string;
  readonly hub?: string;
}

export function downloadCommand(): Command {
  const command = new Command("download")
    .description("Fetch a model from the hub: one commit, checked by hash; files that are there are kept.")
    .argument("<model>", "organisation/name, or organisation/name@revision for a branch, tag or commit")
    .requiredOption("--out <dir>", "where the files go")
    .option("--hub <url>", "another hub (default: HF_ENDPOINT, else the public one)")
    .addHelpText(
      "after",
      "\nA token for models that ask for one is taken from HF_TOKEN.\n\nExamples:\n  fathom download moonshotai/Moonlight-16B-A3B@main --out models/moonlight",
    );
  return act<Flags>(command, ([model = ""], flags) => download(model, flags));
}

async function download(model: string, flags: Flags): Promise<Outcome> {
  const { downloadModel, parseRepo } = await import("../checkpoint/download.js");
  const hubUrl = flags.hub ?? process.env.HF_ENDPOINT;
  const accessToken = process.env.HF_TOKEN;
  const begun = performance.now();
  let told = begun;
  const result = await downloadModel({
    ...parseRepo(model),
    directory: flags.out,
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
  const seconds = (performance.now() - begun) / 1000;
  const fresh = result.files.filter(({ isNew }) => isNew).length;
  const text = `${flags.out}: ${result.repo} at ${result.commit}; ${fresh} files fetched, ${result.files.length - fresh} there already, ${seconds.toFixed(1)} s`;
  return { result: { ...result, seconds }, text };
}
