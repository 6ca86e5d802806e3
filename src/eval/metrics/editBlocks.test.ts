import { expect, test } from "vitest";
import { applyEditBlocks, EditBlockError, parseEditBlocks } from "./editBlocks.js";

const answer = `I change two things.

src/a.py
\`\`\`python
<<<<<<< SEARCH
def f():
    return 1
=======
def f():
    return 2
>>>>>>> REPLACE
\`\`\`

and

\`\`\`python
b.py
<<<<<<< SEARCH
=======
x = 1
>>>>>>> REPLACE
\`\`\`
`;

test("edit blocks are parsed with the file named above or inside the fence", () => {
  expect(parseEditBlocks(answer, ["src/a.py", "b.py"])).toEqual([
    { path: "src/a.py", search: "def f():\n    return 1\n", replace: "def f():\n    return 2\n" },
    { path: "b.py", search: "", replace: "x = 1\n" },
  ]);
});

test("a bare name stands for the one file of that name, and a block without one goes with the block before", () => {
  const block = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n";
  expect(parseEditBlocks(`**a.py**\n${block}${block}`, ["src/a.py"]).map(({ path }) => path)).toEqual([
    "src/a.py",
    "src/a.py",
  ]);
});

test("an answer without blocks has none, and a malformed one is told with its line", () => {
  const parse = (text: string): unknown => parseEditBlocks(text, ["a.py"]);
  expect(parse("I would rather not.")).toEqual([]);
  expect(() => parse("<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n")).toThrow(
    "line 1: the edit block names no file",
  );
  expect(() => parse("a.py\n<<<<<<< SEARCH\na\n=======\nb\n")).toThrow("line 2: the edit block has no >>>>>>> REPLACE");
  expect(() => parse("a.py\n<<<<<<< SEARCH\na\n")).toThrow("has no =======");
  expect(() => parse("a.py\n<<<<<<< SEARCH\na\n<<<<<<< SEARCH\n")).toThrow("line 4: a block begins inside");
  expect(() => parse("c.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n")).toThrow("c.py is not one of the files");
});

test("blocks apply in order at whole lines, and one that does not fit is an error", () => {
  const files = new Map([
    ["src/a.py", "y = 11\ndef f():\n    return 1\ny = 1"],
    ["c.py", "kept"],
  ]);
  const edited = applyEditBlocks(files, parseEditBlocks(answer, ["src/a.py", "b.py"]));
  expect([...edited]).toEqual([
    ["src/a.py", "y = 11\ndef f():\n    return 2\ny = 1\n"],
    ["c.py", "kept"],
    ["b.py", "x = 1\n"],
  ]);
  expect(files.get("src/a.py")).toContain("return 1");
  const middle = [{ path: "src/a.py", search: " = 1\n", replace: "" }];
  expect(() => applyEditBlocks(files, middle)).toThrow(EditBlockError);
});
