import { expect, test } from "vitest";
import { byteTokenizer } from "../../../test/serve/scriptedModel.js";
import { askedProblems } from "./problems.js";

test("problems are chats that end where the answer begins, with a system message where one is given", () => {
  const tokenizer = byteTokenizer();
  const choice = { families: ["add-subtract"], level: 1, phrasing: "plain", seed: 1 } as const;
  const [plain] = askedProblems(tokenizer, "heldout", 2, choice);
  const [told] = askedProblems(tokenizer, "heldout", 2, choice, "Reflect.");
  const question = plain?.problem.prompt ?? "";
  expect(question).toMatch(/^What is \d\d [+-] \d\d\?$/);
  expect(tokenizer.decode(plain?.ids ?? [])).toBe(`<｜begin▁of▁sentence｜><｜User｜>${question}<｜Assistant｜>`);
  expect(told?.problem).toEqual(plain?.problem);
  expect(tokenizer.decode(told?.ids ?? [])).toBe(`<｜begin▁of▁sentence｜>Reflect.<｜User｜>${question}<｜Assistant｜>`);
});
