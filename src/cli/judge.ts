/** `fathom judge`: a chat model that reasons and then scores answers, or says which of two is better; and how far it can be trusted. */
import { Command } from "commander";
import type { DataRecord } from "../posttrain/data/records.js";
import type { JudgeFigures } from "../posttrain/judge/judgeFigures.js";
import { type FileFlags, readingOf, withFileOptions } from "./dataReading.js";
import { addExpertOptions, type ExpertFlags, openExpert, samplingOf } from "./expertOptions.js";
import {
  abortedBySigint,
  act,
  grouped,
  integerOption,
  numberOption,
  type Outcome,
  repeated,
  say,
  table,
} from "./output.js";

interface JudgeFlags extends ExpertFlags, FileFlags {
  readonly data?: readonly string[];
  readonly judge?: string;
  readonly votes?: number;
  readonly out?: string;
  readonly referenceColumn?: string;
  readonly by?: string;
  readonly pairs?: string;
  readonly lead?: number;
}

const temperature = 0.6;

export function judgeCommand(): Command {
  const command = new Command("judge")
    .description("Let a chat model score answers, or choose the better of two, with reasons; and see whether it can.")
    .option(
      "--data <path>",
      "records to judge: pairs (chosen, rejected), answers with or without a label, conversations; may be repeated",
      repeated,
    )
    .option("--out <file>", "log of verdicts and reasons, a JSONL file; the same command goes on behind what is there");
  addExpertOptions(command, "judge", "who judges", temperature)
    .addOption(integerOption("--votes <n>", "opinions on each record (default 1); pairs in random order", 1, 64))
    .option("--reference-column <name>", "column with a right answer (default answer, gold or solution, if there)")
    .option("--by <column>", "tell the figures by the values of a column as well")
    .option("--pairs <file>", "write pairs as the judge orders them, for reward and dpo")
    .addOption(numberOption("--lead <x>", "share of votes by which a pair in --pairs leads (default 0.5)", 0, 1))
    .addHelpText(
      "after",
      `
Example, on right and wrong answers made here, by a model that can chat, behind any endpoint (the quickstart's reads too little at once):
  fathom data generate --family add-subtract --split train --count 20 --plain --form preference --out pairs.jsonl
  fathom judge --data pairs.jsonl --plain-as chat --judge http://127.0.0.1:8000 --votes 2 --out judged.jsonl`,
    );
  withFileOptions(command);
  return act<JudgeFlags>(command, (_, flags) => run(flags));
}

async function run(flags: JudgeFlags): Promise<Outcome> {
  const { readRecords, defaultRecordOptions } = await import("../posttrain/data/readRecords.js");
  const { Judge } = await import("../posttrain/judge/judge.js");
  const { figuresBy, judgeFigures } = await import("../posttrain/judge/judgeFigures.js");
  const { judgeRecords, readJudged, writePreferred } = await import("../posttrain/judge/judgeRecords.js");
  const { data, out, judge: who, votes = 1, by } = flags;
  if (!data) throw new RangeError("give records to judge: --data FILE");
  if (who === undefined) throw new RangeError("say who judges: --judge, a model's path or an endpoint's URL");
  if (out === undefined || !out.endsWith(".jsonl")) throw new RangeError("--out: give a file that ends in .jsonl");
  const records: DataRecord[] = [];
  for await (const record of readRecords(data, { ...defaultRecordOptions, ...readingOf(flags) })) records.push(record);
  const signal = abortedBySigint(`${out}: interrupted; what is judged is kept, and the same command goes on`);
  await using expert = await openExpert({ ...flags, model: who }, signal);
  const sampling = samplingOf(flags, temperature);
  const options = {
    path: out,
    referenceColumn: flags.referenceColumn ?? null,
    judgedBy: { model: expert.name, votes, seed: sampling.seed },
    atOnce: expert.atOnce,
  };
  let told = performance.now();
  const isStopped = await judgeRecords(
    records,
    new Judge(expert, { ...sampling, votes }),
    options,
    signal,
    (done, all) => {
      if (performance.now() - told < 2000) return;
      told = performance.now();
      say(`${grouped(done)} of ${grouped(all)} judged`);
    },
  );
  const judged = await readJudged(out, records);
  const figures = judgeFigures(judged);
  const categories = by === undefined ? {} : figuresBy(judged, by);
  const written = flags.pairs === undefined ? null : writePreferred(flags.pairs, judged, flags.lead ?? 0.5);
  const rows = [
    ["verdicts", out],
    ["judge", `${expert.name}, ${votes} ${votes === 1 ? "vote" : "votes"}`],
    ...lines(figures),
    ...Object.entries(categories).flatMap(([name, each]) =>
      lines(each).map(([what, value]) => [`${name}: ${what}`, value]),
    ),
    ...(written === null ? [] : [["pairs written", `${grouped(written)}, ${flags.pairs}`]]),
  ];
  const result = {
    out,
    judge: expert.name,
    votes,
    ...figures,
    ...(by ? { by: categories } : {}),
    pairsWritten: written,
  };
  return { result, text: table(rows as [string, string][]), isInterrupted: isStopped };
}

function lines({ records, unread, pairs, answers }: JudgeFigures): [string, string][] {
  const share = (value: number | null): string => (value === null ? "-" : `${(100 * value).toFixed(1)} %`);
  const found: [string, string][] = [["records", `${grouped(records)}, ${grouped(unread)} without a readable verdict`]];
  if (pairs) {
    const { agreement, standardError, firstPlace, divided } = pairs;
    const error = standardError === null ? "" : ` (standard error ${(100 * standardError).toFixed(1)})`;
    found.push(["the chosen answer is preferred", `${share(agreement)}${error}`], ["divided", grouped(divided)]);
    found.push(["takes what stands first", share(firstPlace)]);
  }
  if (answers) {
    found.push(["mean score, 0 to 10", answers.meanScore?.toFixed(2) ?? "-"]);
    if (answers.ordered !== null) found.push(["good above bad answers", share(answers.ordered)]);
  }
  return found;
}
