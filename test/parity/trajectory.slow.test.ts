/**
 * 50 steps of `small` beside PyTorch's, from the same weights on the same tokens. fixtures/torchLosses.json holds PyTorch's losses and
 * what they were made from; `node test/parity/trajectory.mjs PYTHON` writes it anew.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadPreset } from "../../src/model/presets.js";
import { native } from "../../src/tensor/native.js";
import { ourLosses } from "./trajectory.js";
import { run, torchSettings, trajectoryTokens } from "./trajectoryTokens.js";

const fixture = JSON.parse(readFileSync(new URL("fixtures/torchLosses.json", import.meta.url), "utf8")) as {
  readonly run: typeof run;
  readonly settings: object;
  readonly tokensSha256: string;
  readonly losses: readonly number[];
};

test("the losses of 50 training steps follow PyTorch's within 1e-3", { timeout: 300_000 }, async () => {
  // A fixture of other tokens or settings would compare nothing.
  expect(fixture.run).toEqual(run);
  expect(fixture.settings).toEqual(torchSettings());
  const tokens = trajectoryTokens(loadPreset(run.preset).vocabSize);
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(fixture.tokensSha256);

  native().setThreads(2);
  const losses = await ourLosses();
  expect(losses).toHaveLength(run.steps);
  // The curve falls far, so following it takes the right gradients and updates, not only the right forward pass.
  expect(fixture.losses.at(-1)).toBeLessThan(0.7 * (fixture.losses[0] ?? 0));
  const differences = losses.map((loss, step) => {
    const theirs = fixture.losses[step] ?? Number.NaN;
    return Math.abs(loss - theirs) / theirs;
  });
  console.log(
    `largest relative difference ${Math.max(...differences).toExponential(2)}, first ${differences[0]?.toExponential(2)}`,
  );
  for (const [step, difference] of differences.entries()) {
    expect(difference, `step ${step}: ours ${losses[step]}, PyTorch's ${fixture.losses[step]}`).toBeLessThanOrEqual(
      1e-3,
    );
  }
});
