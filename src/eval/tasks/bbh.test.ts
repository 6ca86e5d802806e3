import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { bbhExamples, bbhTasks } from "./bbh.js";

const doc = { input: "not ( True ) is", target: "False" };

/** What the answer pattern cuts out of a worked example. */
function answerOf(target: string): string {
  return /the answer is (.*)\.$/.exec(target)?.[1] ?? "";
}

/** Checks each example of a subtask against what `solve` finds from its question. */
function expectSolved(subtask: string, solve: (input: string) => string): void {
  const shots = bbhExamples[subtask]?.shots ?? [];
  expect(shots.length).toBe(3);
  expect(shots.map(({ target }) => answerOf(target))).toEqual(shots.map(({ input }) => solve(input)));
}

const computed = (expression: string): unknown => new Function(`return (${expression});`)();

test("bbh shows the subtask, worked examples and the question", () => {
  const [shot = { input: "", target: "" }] = bbhExamples.boolean_expressions?.shots ?? [];
  expect(promptOf("bbh_cot_fewshot_boolean_expressions", doc, [{ ...shot }]).prompt).toBe(
    "Evaluate the result of a random Boolean expression.\n\nQ: not ( True and False ) is\nA: Let's think step by step.\n" +
      "Brackets come first: True and False is False. Then not False is True. So the answer is True.\n\n" +
      "Q: not ( True ) is\nA: Let's think step by step.\n",
  );
  expect(generationOf("bbh_cot_fewshot_boolean_expressions", doc).until).toEqual(["</s>", "Q", "\n\n"]);
  expect(taskNamed("bbh_cot_fewshot_snarks").numFewshot).toBe(3);
});

test("there are 27 subtasks, each with three examples that the stops do not cut and the pattern reads", () => {
  expect(bbhTasks.length).toBe(27);
  for (const [subtask, { shots }] of Object.entries(bbhExamples)) {
    expect([subtask, shots.length]).toEqual([subtask, 3]);
    for (const { input, target } of shots) {
      expect([subtask, /Q|\n\n/.test(target)]).toEqual([subtask, false]);
      expect([subtask, target.split("the answer is ").length]).toEqual([subtask, 2]);
      const answer = answerOf(target);
      const listed = [...input.matchAll(/^\(([A-Z])\) |^- (\w+)/gm)].map(([, letter, word]) =>
        letter ? `(${letter})` : word,
      );
      if (listed.length > 0) expect([subtask, listed]).toEqual([subtask, expect.arrayContaining([answer])]);
      // Not all of a subtask's answers are the same.
      expect(new Set(shots.map((each) => answerOf(each.target))).size).toBeGreaterThan(1);
    }
  }
});

test("examples that can be computed have the computed answers", () => {
  expectSolved("boolean_expressions", (input) => {
    const js = input.replace(/ is$/, "").replaceAll("not", "!").replaceAll("and", "&&").replaceAll("or", "||");
    return computed(js.replaceAll("True", "true").replaceAll("False", "false")) ? "True" : "False";
  });
  expectSolved("multistep_arithmetic_two", (input) => String(computed(input.replace(/ =$/, ""))));
  expectSolved("word_sorting", (input) => (input.split("List: ")[1] ?? "").split(" ").sort().join(" "));
  expectSolved("dyck_languages", (input) => {
    const close: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "<": ">" };
    const open: string[] = [];
    for (const mark of (input.split("Input: ")[1] ?? "").split(" ")) {
      if (close[mark]) open.push(mark);
      else expect(close[open.pop() ?? ""]).toBe(mark);
    }
    return open
      .reverse()
      .map((mark) => close[mark])
      .join(" ");
  });
  expectSolved("web_of_lies", (input) => {
    const truth = new Map<string, boolean>();
    for (const [, who = "", whom = "", verb] of input.matchAll(
      /The (\w+) (?:says the (\w+) )?(tells the truth|lies)/g,
    )) {
      const says = verb !== "lies";
      truth.set(who, whom === "" ? says : says === truth.get(whom));
    }
    return truth.get(/Does the (\w+)/.exec(input)?.[1] ?? "") ? "Yes" : "No";
  });
  expectSolved("tracking_shuffled_objects_three_objects", (input) => {
    const has = new Map(
      [...input.matchAll(/the (\w+) (?:has a|is dancing with the) (\w+)/g)]
        .slice(0, 3)
        .map(([, a = "", b = ""]) => [a, b]),
    );
    for (const [, a = "", b = ""] of input.matchAll(/the (\w+) and the (\w+) (?:swap|switch)/g)) {
      const [mine = "", yours = ""] = [has.get(a), has.get(b)];
      has.set(a, yours).set(b, mine);
    }
    const asked = /At the end of the \w+, the (\w+)/.exec(input)?.[1] ?? "";
    return `(${new RegExp(`^\\((\\w)\\) ${has.get(asked)}`, "m").exec(input)?.[1]})`;
  });
  expectSolved("navigate", (input) => {
    let [x, y, dx, dy] = [0, 0, 0, 1];
    const walk = (steps: number, [right, forward]: readonly [number, number]): void => {
      x += steps * (forward * dx + right * dy);
      y += steps * (forward * dy - right * dx);
    };
    const sides = { left: [-1, 0], right: [1, 0], forward: [0, 1], backward: [0, -1] } as const;
    for (const [, turn, steps, side] of input.matchAll(/Turn (\w+)|Take (\d+) steps?(?: (\w+))?/g)) {
      if (turn === "around") [dx, dy] = [-dx, -dy];
      else if (turn === "left") [dx, dy] = [-dy, dx];
      else if (turn === "right") [dx, dy] = [dy, -dx];
      else walk(Number(steps), sides[(side ?? "forward") as keyof typeof sides]);
    }
    return x === 0 && y === 0 ? "Yes" : "No";
  });
  // The numbers of the counted things stand in brackets behind them.
  expectSolved("object_counting", (input) => {
    const { target = "" } = bbhExamples.object_counting?.shots.find((each) => each.input === input) ?? {};
    return String([...target.matchAll(/\((\d+)\)/g)].reduce((sum, [, count]) => sum + Number(count), 0));
  });
});

test("a right answer, a wrong one, one without the sentence, and a row without an answer", async () => {
  const key = "exact_match,get-answer";
  expect(
    await scoresOf("bbh_cot_fewshot_boolean_expressions", doc, ["not True is False. So the answer is False."]),
  ).toEqual({
    [key]: 1,
  });
  expect(await scoresOf("bbh_cot_fewshot_boolean_expressions", doc, ["So the answer is True."])).toEqual({ [key]: 0 });
  // The last character goes, whatever it is.
  expect(await scoresOf("bbh_cot_fewshot_boolean_expressions", doc, ["So the answer is False"])).toEqual({ [key]: 0 });
  expect(await scoresOf("bbh_cot_fewshot_boolean_expressions", doc, ["False."])).toEqual({ [key]: 0 });
  await expect(scoresOf("bbh_cot_fewshot_boolean_expressions", { input: "x" }, ["x"])).rejects.toThrow(
    "task bbh_cot_fewshot_boolean_expressions",
  );
});
