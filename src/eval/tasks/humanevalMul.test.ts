import { expect, test } from "vitest";
import { toolsRunning, withoutWord } from "../../../test/eval/tryPrograms.js";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { humanevalMulTasks, multiplProgram } from "./humanevalMul.js";

const js = {
  name: "HumanEval_900_double",
  language: "js",
  prompt: "//Twice x.\nfunction double(x){\n",
  tests: "const assert = require('node:assert');\n\nfunction test() {\n  assert.deepEqual(double(2), 4);\n}\n\ntest();",
  stop_tokens: ["\nfunction "],
};
const java = {
  ...js,
  prompt: "import java.util.*;\n\nclass Problem {\n    // Twice x.\n    public static long twice(long x) {\n",
  tests: "    }\n    public static void main(String[] args) {\n    assert(twice(2l) == 4l);\n    }\n\n}\n",
};
const bash = {
  ...js,
  prompt: "#!/bin/bash\n# Twice x.\ndouble() {\n",
  tests: '}\n\ncandidate() {\n    double "$@"\n}\n\nset -e\n[[ $(candidate 2) = 4 ]]\n',
};

test("the prompt shows the beginning of the function", () => {
  expect(promptOf("humaneval_mul_javascript", js).prompt).toBe(
    "Complete this JavaScript function. Reply with one code block that holds everything shown here and the function's body, " +
      "without tests and without a main program.\n\n```javascript\n//Twice x.\nfunction double(x){\n```",
  );
  expect(humanevalMulTasks.map(({ task }) => task.slice("humaneval_mul_".length))).toEqual([
    ...["python", "java", "cpp", "csharp", "javascript", "typescript", "php", "bash"],
  ]);
});

test("tests stand behind a whole function, the braces that it closes taken away", () => {
  expect(multiplProgram(js, "function double(x){\n  return 2 * x;\n}\n", false)).toBe(
    `function double(x){\n  return 2 * x;\n}\n${js.tests}`,
  );
  expect(multiplProgram(bash, "double() {\n  echo $((2 * $1))\n}\n", false)).toBe(
    'double() {\n  echo $((2 * $1))\n}\n\n\ncandidate() {\n    double "$@"\n}\n\nset -e\n[[ $(candidate 2) = 4 ]]\n',
  );
  const code = "class Problem {\n    public static long twice(long x) {\n        return 2 * x;\n    }\n}\n";
  expect(multiplProgram(java, code, true)).toBe(
    "import java.util.*;\nclass Problem {\n    public static long twice(long x) {\n        return 2 * x;\n    }\n\n\n" +
      "    public static void main(String[] args) {\n    assert(twice(2l) == 4l);\n    }\n\n}\n",
  );
});

test("a body alone goes on from the prompt, and PHP's end mark goes", () => {
  expect(multiplProgram(bash, "  echo $((2 * $1))\n", false)).toBe(`${bash.prompt}  echo $((2 * $1))\n\n${bash.tests}`);
  const php = { ...js, prompt: "<?php\n// Twice.\nfunction double($x) {\n", tests: "assert(double(2) === 4);\n?>" };
  expect(multiplProgram(php, "function double($x) { return 2 * $x; }\n?>", false)).toBe(
    "<?php\nfunction double($x) { return 2 * $x; }\n\nassert(double(2) === 4);\n?>",
  );
});

test("Java and C# check assertions in any case, and Java's class has the name of the file", async () => {
  const { tools, programs } = toolsRunning(() => "passes");
  await scoresOf("humaneval_mul_java", java, ["```java\n        return 2 * x;\n```"], tools);
  expect(programs[0]?.source).toContain("class Main {");
  expect(programs[0]?.source).toContain("    if (!(twice(2l) == 4l)) throw new AssertionError();\n");
  const csharp = {
    ...js,
    prompt: "using System.Diagnostics;\nclass Problem {\n    public static long Twice(long x) {\n",
    tests: "    }\n    public static void Main(string[] args) {\n    Debug.Assert(Twice((2L)) == (4L));\n    }\n\n}\n",
  };
  await scoresOf("humaneval_mul_csharp", csharp, ["```csharp\n        return 2 * x;\n```"], tools);
  expect(programs[1]?.source).toContain(
    '    if (!(Twice((2L)) == (4L))) throw new System.Exception("assertion failed");\n',
  );
});

test("a right answer, a wrong one, one without code, and no toolchain", async () => {
  const { tools, programs } = toolsRunning(({ source }) => (source.includes("2 * x") ? "passes" : "raises"));
  const key = "pass@1,none";
  const block = (body: string): string => `So:\n\`\`\`javascript\nfunction double(x){\n  return ${body};\n}\n\`\`\``;
  expect(await scoresOf("humaneval_mul_javascript", js, [block("2 * x")], tools)).toEqual({ [key]: 1 });
  expect(programs[0]).toMatchObject({ language: "javascript", timeoutSeconds: 15 });
  expect(await scoresOf("humaneval_mul_javascript", js, [block("x")], tools)).toEqual({ [key]: 0 });
  expect(await scoresOf("humaneval_mul_javascript", js, ["I cannot."], tools)).toEqual({ [key]: 0 });
  expect(await scoresOf("humaneval_mul_java", java, ["```java\n        return 2 * x;\n```"], tools)).toEqual({
    [key]: 1,
  });
  const python = {
    prompt: "def d(x):\n    '''Twice.'''\n",
    test: "def check(c):\n    assert c(1) == 2\n",
    entry_point: "d",
  };
  await scoresOf("humaneval_mul_python", python, ["```python\ndef d(x):\n    return 2 * x\n```"], tools);
  expect(programs.map(withoutWord).at(-1)).toBe(
    "def d(x):\n    '''Twice.'''\n\ndef d(x):\n    return 2 * x\n\ndef check(c):\n    assert c(1) == 2\n\ncheck(d)",
  );
  await expect(scoresOf("humaneval_mul_php", js, [block("x")])).rejects.toThrow("no programs in this test");
});
