/**
 * Generated problems as prompts. The source of such a prompt is the number of its problem, from which the problem is made again wherever its forms
 * or its rule are needed: `fathom:add-subtract?split=train&seed=1&index=17&phrasing=plain`.
 */
import { familyNamed, numHeldOut, problemAt } from "../../eval/problems/families.js";
import { type FamilyName, familyNames, type Phrasing, type Problem, type Split } from "../../eval/problems/problem.js";
import type { EvaluationDocument } from "./contamination.js";
import type { DistillPrompt, Domain } from "./records.js";

const scheme = "fathom:";

const domainOf: Readonly<Record<FamilyName, Domain>> = {
  "add-subtract": "math",
  "long-sums": "math",
  multiplication: "math",
  division: "math",
  units: "math",
  lists: "logic",
  strings: "logic",
  dates: "logic",
  "code-python": "code",
  "code-javascript": "code",
};

export interface ProblemChoice {
  readonly families: readonly FamilyName[];
  readonly count: number;
  /** Null: all in turn. */
  readonly level: number | null;
  readonly phrasing: Phrasing;
  readonly seed: number;
}

/** Problems of the training split, the families in turn. @throws RangeError for a level that a family does not have */
export function* problemPrompts({
  families,
  count,
  level,
  phrasing,
  seed,
}: ProblemChoice): Generator<DistillPrompt, void> {
  for (let i = 0; i < count; i++) {
    const family = families[i % families.length];
    if (family === undefined) throw new RangeError("no family of problems was named");
    const place = { family, split: "train", seed, index: Math.floor(i / families.length), level, phrasing } as const;
    const { id, prompt, answer, tests } = problemOfPlace(place);
    yield {
      id,
      domain: domainOf[family],
      prompt,
      answer,
      ...(tests === undefined ? {} : { tests }),
      checker: tests === undefined ? "problem" : "tests",
      source: sourceOf(place),
      license: "MIT",
    };
  }
}

export function isGenerated({ source }: Pick<DistillPrompt, "source">): boolean {
  return source.startsWith(scheme);
}

/** The problem behind a prompt; null if it was not generated. @throws RangeError for a source that names no problem */
export function problemOf({ source }: Pick<DistillPrompt, "source">): Problem | null {
  if (!isGenerated({ source })) return null;
  const [, name = "", query = ""] = /^fathom:([a-z-]+)\?(.*)$/.exec(source) ?? [];
  const fields = new URLSearchParams(query);
  const level = fields.get("level");
  const [split, phrasing] = [fields.get("split"), fields.get("phrasing") ?? "varied"];
  if ((split !== "train" && split !== "heldout") || (phrasing !== "varied" && phrasing !== "plain")) {
    throw new RangeError(`source ${source}: expected split=train or heldout, and phrasing=plain or none`);
  }
  return problemOfPlace({
    family: familyNamed(name),
    split,
    seed: Number(fields.get("seed")),
    index: Number(fields.get("index") ?? Number.NaN),
    level: level === null ? null : Number(level),
    phrasing,
  });
}

/** Every problem that is held out, as models are measured on it, in both ways of asking. */
export function* heldOutProblems(): Generator<EvaluationDocument, void> {
  for (const family of familyNames) {
    for (const phrasing of ["varied", "plain"] as const) {
      for (let index = 0; index < numHeldOut; index++) {
        const { prompt } = problemAt(family, "heldout", 1, index, undefined, phrasing);
        yield { source: `held-out problems of ${family}`, texts: [prompt], isTemplate: true };
      }
    }
  }
}

interface Place {
  readonly family: FamilyName;
  readonly split: Split;
  readonly seed: number;
  readonly index: number;
  readonly level: number | null;
  readonly phrasing: Phrasing;
}

function problemOfPlace({ family, split, seed, index, level, phrasing }: Place): Problem {
  return problemAt(family, split, seed, index, level ?? undefined, phrasing);
}

function sourceOf({ family, split, seed, index, level, phrasing }: Place): string {
  const fields = [`split=${split}`, `seed=${seed}`, `index=${index}`];
  if (level !== null) fields.push(`level=${level}`);
  if (phrasing === "plain") fields.push("phrasing=plain");
  return `${scheme}${family}?${fields.join("&")}`;
}
