import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readState, writeState } from "./distillState.js";

let path = "";
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "fathom-state-")), "distill.json");
});
afterEach(() => rmSync(join(path, ".."), { recursive: true, force: true }));

test("a run goes on with the options of its beginning, given again or not", () => {
  const state = { version: 1, asked: { family: ["dates"], rlSteps: 3 }, finished: ["expert"] } as const;
  expect(readState(path, { rlSteps: 3 })).toBeNull();
  writeState(path, state);
  expect(readState(path, {})).toEqual(state);
  expect(readState(path, { rlSteps: 3, family: ["dates"] })).toEqual(state);
});

test("another option than at the beginning is refused by the name of its flag", () => {
  writeState(path, { version: 1, asked: { rlSteps: 3 } });
  expect(() => readState(path, { rlSteps: 4 })).toThrow(
    `${path}: --rl-steps is 4, at the beginning it was 3; begin in another directory`,
  );
  expect(() => readState(path, { maxNewTokens: 64 })).toThrow(
    "--max-new-tokens is 64, at the beginning it was not given",
  );
});

test("a file that is no state is refused", () => {
  writeFileSync(path, '{"version":2}');
  expect(() => readState(path, {})).toThrow(/not the state of a distillation of this version/);
  expect(readFileSync(path, "utf8")).toBe('{"version":2}');
});
