/** `fathom data generate`: problems with known answers as chat data, prompts for reinforcement learning, or preferences. */
import { Command, Option } from "commander";
import type { FamilyName, Problem, Split } from "../eval/problems/problem.js";
import { act, grouped, integerOption, type Outcome, repeated } from "./output.js";

const forms = ["concise", "reasoned", "prompt", "preference"] as const;
type Form = (typeof forms)[number];

export interface GenerateDataFlags {
  readonly family: readonly string[];
  readonly split: Split;
  readonly count: number;
  readonly out: string;
  readonly form?: Form;
  readonly seed?: number;
  readonly level?: number;
  readonly plain?: boolean;
  readonly system?: string;
}

export function generateDataCommand(): Command {
  const command = new Command("generate")
    .description("Make problems whose answers can be checked; the held-out ones are never among those to train on.")
    .requiredOption("--family <name>", "add-subtract, dates, ...; may be repeated, `all` takes every family", repeated)
    .addOption(new Option("--split <which>", "which problems").choices(["train", "heldout"]).makeOptionMandatory())
    .addOption(integerOption("--count <n>", "number of rows", 1, 100_000_000).makeOptionMandatory())
    .requiredOption("--out <file>", "the JSONL file")
    .addOption(
      new Option(
        "--form <form>",
        "chats with short or reasoned answers, prompts for grpo, or a right and a wrong answer (default concise)",
      ).choices(forms),
    )
    .addOption(integerOption("--seed <n>", "of order and wording (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(integerOption("--level <n>", "one level alone, from 1 (default: all in turn)", 1, 9))
    .option("--plain", "one form of question per kind, for very small models")
    .option("--system <text>", "a system message in front of every chat")
    .addHelpText(
      "after",
      "\nExamples:\n  fathom data generate --family add-subtract --split train --count 20000 --plain --out sums.jsonl",
    );
  return act<GenerateDataFlags>(command, (_, flags) => generateData(flags));
}

export async function generateData(flags: GenerateDataFlags): Promise<Outcome> {
  const { writeFileAtomic } = await import("../files/atomic.js");
  const { familyNamed, problemAt } = await import("../eval/problems/families.js");
  const { familyNames } = await import("../eval/problems/problem.js");
  const { split, count, out, level, form = "concise", seed = 1 } = flags;
  if (flags.system !== undefined && form !== "concise" && form !== "reasoned") {
    throw new RangeError(`--system: rows of the form ${form} hold no messages; give it with concise or reasoned`);
  }
  const families = flags.family.includes("all") ? familyNames : flags.family.map(familyNamed);
  const ids = new Set<string>();
  const rows = function* (): Generator<string> {
    for (let i = 0; i < count; i++) {
      const family = families[i % families.length] as FamilyName; // there is at least one
      const index = Math.floor(i / families.length);
      const problem = problemAt(family, split, seed, index, level, flags.plain ? "plain" : "varied");
      ids.add(problem.id);
      yield `${JSON.stringify(rowOf(problem, form, flags.system ?? null))}\n`;
    }
  };
  writeFileAtomic(out, batched(rows()));
  const result = { out, form, split, seed, families: [...families], rows: count, problems: ids.size };
  return {
    result,
    text: `${out}: ${grouped(count)} rows, ${grouped(ids.size)} different problems (${split}, ${form})`,
  };
}

/** One line of the file. */
function rowOf(problem: Problem, form: Form, system: string | null): object {
  const { id, family, level, prompt, answer, solution, reasoned, mistaken, tests } = problem;
  const about = { family, level, id, answer };
  switch (form) {
    case "concise":
    case "reasoned":
      return {
        messages: [
          ...(system === null ? [] : [{ role: "system", content: system }]),
          { role: "user", content: prompt },
          { role: "assistant", content: form === "concise" ? solution : reasoned },
        ],
        meta: { ...about, form },
      };
    case "prompt":
      return { prompt, answer, family, level, id, ...(tests === undefined ? {} : { tests }) };
    case "preference":
      return { prompt, chosen: solution, rejected: mistaken, ...about };
    default:
      return form satisfies never;
  }
}

/** Lines in pieces of some size, so that the file takes few writes. */
function* batched(lines: Iterable<string>): Generator<string> {
  let piece: string[] = [];
  for (const line of lines) {
    piece.push(line);
    if (piece.length < 1000) continue;
    yield piece.join("");
    piece = [];
  }
  yield piece.join("");
}
