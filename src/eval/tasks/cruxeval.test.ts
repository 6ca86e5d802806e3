import { expect, test } from "vitest";
import { toolsRunning, withoutWord } from "../../../test/eval/tryPrograms.js";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { answeredSide } from "./cruxeval.js";

const doc = { id: "sample_0", code: "def f(a, b):\n    return a + b", input: "'x', '=='", output: "'x=='" };
const ten = (answer: string): string[] => Array.from({ length: 10 }, () => answer);

test("cruxeval_output asks for the value, cruxeval_input for the arguments", () => {
  expect(promptOf("cruxeval_output", doc, [{ ...doc, input: "1, 2", output: "3" }]).prompt).toBe(
    "You are given a Python function and an assertion containing an input to the function. Complete the assertion with a " +
      "literal (no unsimplified expressions, no function calls) containing the output when executing the provided code on the " +
      "given input, even if the function is incorrect or incomplete. Do NOT output any extra information. Provide the full " +
      "assertion with the correct output in [ANSWER] and [/ANSWER] tags, following the examples.\n" +
      "[PYTHON]\ndef f(a, b):\n    return a + b\nassert f(1, 2) == ??\n[/PYTHON] \n[ANSWER]\nassert f(1, 2) == 3\n[/ANSWER]\n\n" +
      "[PYTHON]\ndef f(a, b):\n    return a + b\nassert f('x', '==') == ??\n[/PYTHON]",
  );
  expect(promptOf("cruxeval_input", doc).prompt).toBe(
    "You will be given a function f and an output in the form f(??) == output. Find any input such that executing f on " +
      "the input leads to the given output. There may be multiple answers, but you should only output one. In [ANSWER] and " +
      "[/ANSWER] tags, complete the assertion with one such input that will produce the output when executing the function.\n" +
      "[PYTHON]\ndef f(a, b):\n    return a + b\nassert f(??) == 'x=='\n[/PYTHON]",
  );
  expect(generationOf("cruxeval_input", doc)).toMatchObject({
    temperature: 0.2,
    topP: 0.95,
    until: ["[/ANSWER]", "</seed:think>[ANSWER]"],
  });
  const { numFewshot, file, repeats } = taskNamed("cruxeval_input");
  expect([numFewshot, file.fewshotConfig?.samples?.length, repeats]).toEqual([2, 2, 10]);
});

test("the model's side of the assertion is cut out, also where it holds a comparison", () => {
  expect(answeredSide("assert f('x', '==') == 'x=='\n", doc, "output")).toBe("'x=='");
  expect(answeredSide("'x=='", { ...doc, input: "1" }, "output")).toBe("'"); // no assertion: behind the first ==
  expect(answeredSide("assert f('x=', '=') == 'x=='", doc, "input")).toBe("f('x=', '=')");
  expect(answeredSide("[ANSWER]\nassert f(1, 2) == 3[/ANSWER] more", doc, "input")).toBe("f(1, 2)");
});

test("answers are graded by running them, and only in the form asked for", async () => {
  const { tools, programs } = toolsRunning(({ source }) =>
    source.includes("assert (f('x=', '='))") ? "passes" : "raises",
  );
  const key = "pass@1,none";
  const right = "assert f('x=', '=') == 'x=='";
  expect(await scoresOf("cruxeval_input", doc, ten(right), tools)).toEqual({ [key]: 1 });
  expect(withoutWord(programs[0] ?? { language: "python", source: "", timeoutSeconds: 0 })).toBe(
    "def f(a, b):\n    return a + b\nassert (f('x=', '=')) == 'x=='",
  );
  const half = [...ten(right).slice(5), ...ten("assert f(1, 2) == 'x=='").slice(5)];
  expect((await scoresOf("cruxeval_input", doc, half, tools))[key]).toBeCloseTo(0.5, 12);
  // Arguments without the call, or the call as its own value, are not even run.
  const before = programs.length;
  expect(await scoresOf("cruxeval_input", doc, ten("'x=', '='"), tools)).toEqual({ [key]: 0 });
  expect(await scoresOf("cruxeval_output", doc, ten("assert f('x', '==') == f('x', '==')"), tools)).toEqual({
    [key]: 0,
  });
  expect(programs.length).toBe(before);
  const quoting = { ...doc, output: "'f(x)'" };
  await scoresOf("cruxeval_output", quoting, ten("assert f('x', '==') == 'f(x)'"), tools);
  expect(programs.length).toBe(before + 10);
  await expect(scoresOf("cruxeval_input", doc, ten(right))).rejects.toThrow("no programs in this test");
});
