import { join } from "node:path";
import { expect, test } from "vitest";
import { isas } from "../kernels/memory.js";
import { root, runCommand } from "./driver.js";

// The kernel tests run every instruction set themselves. What is left are the layers above them, whose fast tests run on the best set
// alone: here they run on the others, chosen as a user would choose.

const layers = ["tensor", "model", "generate", "train", "eval", "checkpoint"].map((name) => `src/${name}/`);
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");

test.each(isas.slice(1))("the fast tests of the layers above the kernels pass with FATHOM_ISA=%s", (isa) => {
  const printed = runCommand(
    [process.execPath, vitest, "run", "--reporter=dot", ...layers, "test/invariance/", "test/native/isa.test.ts"],
    { FATHOM_ISA: isa, FATHOM_TESTS: "fast", NO_COLOR: "1", FORCE_COLOR: "0" },
  );
  expect(printed).toMatch(/Tests +\d+ passed/);
});
