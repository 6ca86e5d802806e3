/** `fathom distill review`: a person accepts, edits or rejects what waits, in the terminal or by options. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { files } from "../posttrain/distill/records.js";
import type { ReviewRecord } from "../posttrain/distill/review.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { act, grouped, type Outcome, repeated } from "./output.js";

interface ReviewFlags {
  readonly accept?: readonly string[];
  readonly reject?: readonly string[];
  readonly edit?: readonly string[];
  readonly list?: boolean;
}

export function reviewCommand(): Command {
  const command = new Command("review")
    .description("Look at the records that wait, one after the other, and accept, edit or reject each.")
    .argument(...directoryArgument)
    .option("--accept <id>", "accept a record, without asking; may be repeated", repeated)
    .option("--reject <id>", "reject a record; may be repeated", repeated)
    .option("--edit <id=file>", "accept a record with the answer that is in a file; may be repeated", repeated)
    .option("--list", "list the records that wait, with their ids")
    .addHelpText(
      "after",
      `
Edits open $VISUAL or $EDITOR; without either the answer is typed in the terminal.

Examples, after fathom distill generate-chat:
  fathom distill review distilled
  fathom distill review distilled --list`,
    );
  return act<ReviewFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "directory", () => review(directory, flags)),
  );
}

async function review(directory: string, flags: ReviewFlags): Promise<Outcome> {
  const { JsonLog } = await import("../posttrain/ask/jsonLog.js");
  const { decide, readReview, reviewQueue } = await import("../posttrain/distill/review.js");
  const { updateReport } = await import("../posttrain/distill/report.js");
  const { reviewTally } = await import("../posttrain/distill/steps.js");
  const path = join(directory, files.review);
  const records = await readReview(path);
  if (records.size === 0)
    throw new RangeError(`${path}: nothing to review; fathom distill generate-chat fills the queue`);
  if (flags.list) return listOf([...records.values()]);
  const decisions = decisionsOf(flags, records);
  {
    using log = new JsonLog(path);
    if (decisions.length > 0) {
      for (const { record, verdict, text } of decisions) decide(log, record, verdict, new Date(), text);
    } else {
      const { TerminalReview } = await import("./reviewScreen.js");
      await reviewQueue(records.values(), TerminalReview.open(process.env), log, () => new Date());
    }
  }
  const tally = await reviewTally(directory);
  if (!tally) throw new Error(`internal: ${path} has gone`);
  updateReport(directory, { review: tally });
  const { accepted, edited, rejected, waiting } = tally;
  const text = `${path}: ${grouped(accepted)} accepted, ${grouped(edited)} edited, ${grouped(rejected)} rejected, ${grouped(waiting)} waiting`;
  return { result: { directory, ...tally }, text };
}

interface Asked {
  readonly record: ReviewRecord;
  readonly verdict: "accept" | "reject" | "edit";
  readonly text: string | null;
}

/** What the options decide. @throws RangeError for an id that is not there, or is decided twice; nothing is decided then */
function decisionsOf({ accept, reject, edit }: ReviewFlags, records: ReadonlyMap<string, ReviewRecord>): Asked[] {
  const seen = new Set<string>();
  const one = (id: string, verdict: Asked["verdict"], text: string | null): Asked => {
    const record = records.get(id);
    if (!record) throw new RangeError(`--${verdict} ${id}: there is no such record; --list shows those that wait`);
    if (seen.has(id)) throw new RangeError(`--${verdict} ${id}: decided twice in one command`);
    seen.add(id);
    return { record, verdict, text };
  };
  return [
    ...(accept ?? []).map((id) => one(id, "accept", null)),
    ...(reject ?? []).map((id) => one(id, "reject", null)),
    ...(edit ?? []).map((value) => {
      const at = value.lastIndexOf("=");
      if (at < 1) throw new RangeError(`--edit ${value}: expected ID=FILE`);
      return one(value.slice(0, at), "edit", readFileSync(value.slice(at + 1), "utf8"));
    }),
  ];
}

function listOf(records: readonly ReviewRecord[]): Outcome {
  const waiting = records.filter(({ decision }) => decision === null);
  const lines = waiting.map(({ id, messages }) => {
    const [question = "", answer = ""] = messages.slice(-2).map(({ content }) => (content ?? "").replace(/\s+/g, " "));
    return `${id}\t${question.slice(0, 60)}\t${answer.slice(0, 60)}`;
  });
  return { result: { waiting: waiting.map(({ id }) => id) }, text: lines.join("\n") };
}
