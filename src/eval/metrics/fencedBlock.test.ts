import { expect, test } from "vitest";
import { lastFencedBlock } from "./fencedBlock.js";

test("the last block counts, with its language in small letters", () => {
  expect(lastFencedBlock("a\n```sh\nls\n```\nb\n```Python title\nx = 1\n\ny = 2\n```\nc")).toEqual({
    language: "python",
    code: "x = 1\n\ny = 2\n",
  });
  expect(lastFencedBlock("```\nx\n```")).toEqual({ language: "", code: "x\n" });
});

test("a longer fence holds shorter ones, and an open block goes to the end", () => {
  expect(lastFencedBlock("````md\n```js\n1\n```\n````")?.code).toBe("```js\n1\n```\n");
  expect(lastFencedBlock("```py\na\n```\n```py\nb = 1")?.code).toBe("b = 1\n");
  // An opening fence with nothing behind it is no block of its own.
  expect(lastFencedBlock("```py\na\n```\n```")?.code).toBe("a\n");
});

test("a text without fences has no block", () => {
  expect(lastFencedBlock("x = `1`")).toBeNull();
});
