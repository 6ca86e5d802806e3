import { defineConfig } from "vitest/config";

/**
 * Tests come in three speeds, told apart by the file name: `x.test.ts` (fast, run by `npm run check`),
 * `x.slow.test.ts` (added by `npm test`) and `x.long.test.ts` (`npm run test:long` alone).
 * FATHOM_TESTS picks: fast | all | long.
 */
const speed = process.env.FATHOM_TESTS ?? "fast";
const every = ["src/**/*.test.ts", "test/**/*.test.ts", "web/**/*.test.ts"];
const long = "**/*.long.test.ts";
const slow = "**/*.slow.test.ts";

export default defineConfig({
  oxc: { target: "es2022" },
  test: {
    include: speed === "long" ? ["src/**/*.long.test.ts", "test/**/*.long.test.ts"] : every,
    exclude: ["node_modules/**", "dist/**", ...(speed === "all" ? [long] : speed === "fast" ? [long, slow] : [])],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: speed === "fast" ? 30_000 : 600_000,
    hookTimeout: 120_000,
  },
});
