import { expect, test } from "vitest";
import { check, problemAt } from "../../eval/problems/families.js";
import { problemForms, teacherForms } from "./forms.js";
import { problemPrompts } from "./problemPrompts.js";
import type { Candidate, DistillPrompt } from "./records.js";

const prompt: DistillPrompt = {
  id: "p",
  domain: "math",
  prompt: "1+1?",
  answer: "2",
  checker: "math",
  source: "t",
  license: "MIT",
};

test("a generated problem has both forms: concise, and with a system prompt and a thought", () => {
  const [dates] = problemPrompts({ families: ["dates"], count: 1, level: null, phrasing: "varied", seed: 4 });
  if (!dates) throw new Error("no prompt");
  const problem = problemAt("dates", "train", 4, 0);
  const [a, b] = problemForms(dates, "Reflect.");
  const meta = { prompt_id: problem.id, reward: null, length: null };
  expect(a).toEqual({
    messages: [
      { role: "user", content: problem.prompt },
      { role: "assistant", content: problem.solution },
    ],
    meta: { ...meta, form: "A" },
  });
  expect(b).toEqual({
    messages: [
      { role: "system", content: "Reflect." },
      { role: "user", content: problem.prompt },
      { role: "assistant", content: problem.reasoned },
    ],
    meta: { ...meta, form: "B" },
  });
  expect(check(problem, b?.messages.at(-1)?.content ?? "")).toBe(true);
});

test("a prompt that was not generated needs a teacher", () => {
  expect(() => problemForms(prompt, "Reflect.")).toThrow(
    "prompt p (t) has no forms of its own: a teacher must write them",
  );
});

function answers(
  ...texts: readonly [string, Partial<Candidate>?, (boolean | null)?][]
): Parameters<typeof teacherForms>[1] {
  return texts.map(([completion, changes = {}, correct = true], index) => ({
    candidate: {
      id: String(index),
      prompt_id: "p",
      sample_index: index,
      model: "teacher",
      ...(index === 1 ? { system: "Reflect." } : {}),
      temperature: 0.6,
      seed: 1,
      completion,
      finish_reason: "stop",
      token_count: 9,
      reward: {},
      correct: null,
      ...changes,
    },
    verdict: { reward: { accuracy: correct === null ? null : Number(correct) }, correct },
  }));
}

const thought = "<think>\nhm\n</think>\n\n";

test("of a teacher's answers A is without its thought, B with it and the system prompt", () => {
  const { records, dropped } = teacherForms(prompt, answers([`${thought}\\boxed{2}`], [`${thought}So \\boxed{2}`]));
  expect(dropped).toEqual([]);
  const meta = { prompt_id: "p", reward: { accuracy: 1 }, length: 9 };
  expect(records).toEqual([
    {
      messages: [
        { role: "user", content: "1+1?" },
        { role: "assistant", content: "\\boxed{2}" },
      ],
      meta: { ...meta, form: "A" },
    },
    {
      messages: [
        { role: "system", content: "Reflect." },
        { role: "user", content: "1+1?" },
        { role: "assistant", content: `${thought}So \\boxed{2}` },
      ],
      meta: { ...meta, form: "B" },
    },
  ]);
});

test.each([
  [answers(["\\boxed{3}", {}, false], [`${thought}\\boxed{3}`, {}, false]), ["A wrong", "B wrong"]],
  [answers(["\\boxed{2}", { finish_reason: "length" }], ["<think>", { finish_reason: "length" }]), ["A cut", "B cut"]],
  [answers(["two"], ["<think>\\boxed{2}"]), ["A malformed", "B malformed"]],
  [answers(["\\boxed{2}"], ["\\boxed{2}"]), ["B without a thought"]],
  [answers(["\\boxed{2}"]), ["no answer"]],
  [[], ["no answer", "no answer"]],
  // What no rule can tell is taken.
  [answers(["\\boxed{2}", {}, null], [`${thought}\\boxed{2}`, {}, null]), []],
])("forms that are no good are left out with a reason (%#)", (given, reasons) => {
  expect(teacherForms(prompt, given).dropped).toEqual(reasons);
  expect(teacherForms(prompt, given).records.length).toBe(2 - reasons.length);
});
