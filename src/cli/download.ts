/** `fathom download`: a published model's files, pinned to a commit and checked by hash. */
import { Command } from "commander";
import { fetchModel } from "./modelPath.js";
import { act, type Outcome } from "./output.js";

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
  const begun = performance.now();
  const result = await fetchModel(model, flags.out, flags.hub);
  const seconds = (performance.now() - begun) / 1000;
  const fresh = result.files.filter(({ isNew }) => isNew).length;
  const text = `${flags.out}: ${result.repo} at ${result.commit}; ${fresh} files fetched, ${result.files.length - fresh} there already, ${seconds.toFixed(1)} s`;
  return { result: { ...result, seconds }, text };
}
