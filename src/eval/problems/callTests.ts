/** From the tests of a generated code problem to what the sandbox takes: calls with their arguments as values, so that it compares outside. */
import type { CallTests } from "../../sandbox/program.js";
import type { CodeTests } from "./problem.js";

/** @throws Error for a call that is not written as the families write them, `solve([1, 2])` */
export function callTests({ entry, cases }: CodeTests): CallTests {
  return {
    kind: "calls",
    entryPoint: entry,
    cases: cases.map(({ call, expected }) => {
      const inside = call.startsWith(`${entry}(`) && call.endsWith(")") ? call.slice(entry.length + 1, -1) : null;
      if (inside === null) throw new Error(`internal: the call ${call} is not one of ${entry}`);
      return { args: JSON.parse(`[${inside}]`) as unknown[], expected };
    }),
  };
}
