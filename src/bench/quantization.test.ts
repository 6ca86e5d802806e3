import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { saveModel } from "../checkpoint/modelFiles.js";
import { singleCommunicator } from "../distributed/single.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { initialize } from "../model/init.js";
import { loadPreset } from "../model/presets.js";
import { randomTokens } from "../train/measure.js";
import { benchQuantization, divergence } from "./quantization.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-quantization-"));
  const model = new DeepseekV3({ ...loadPreset("tiny"), initializerRange: 0.2 }, "bfloat16", singleCommunicator());
  initialize(model, 1);
  saveModel(folder, model);
  model.free();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the divergence of two distributions worked by hand, and of one from itself", () => {
  const logs = (...shares: number[]): Float32Array => Float32Array.from(shares, Math.log);
  const plain = { logProbabilities: [logs(0.5, 0.25, 0.25), logs(0.1, 0.8, 0.1)] };
  const other = { logProbabilities: [logs(0.25, 0.5, 0.25), logs(0.1, 0.8, 0.1)] };
  const [nats, same] = divergence(plain, other);
  // 0.5 ln 2 - 0.25 ln 2 for the first token, 0 for the second.
  expect(nats).toBeCloseTo((0.25 * Math.LN2) / 2, 6);
  expect(same).toBe(0.5);
  expect(divergence(plain, plain)).toEqual([0, 1]);
});

test("fewer bits diverge more and take less memory; bf16 does not diverge from itself", async () => {
  const texts = [randomTokens(40, 4096, 1), randomTokens(25, 4096, 2)];
  const { rows } = await benchQuantization({ label: "m", directory: folder, texts, threads: 1, say: () => {} });
  const at = (name: string) => {
    const row = rows.find(({ case: text }) => text === `m, ${name}`);
    if (!row) throw new Error(`no row ${name} among ${rows.map(({ case: text }) => text).join("; ")}`);
    expect(row.figure).toBeGreaterThan(1);
    return row.at as { klNats: number; sameChoice: number; weightMiB: number; tokens: number };
  };
  expect(rows).toHaveLength(8);
  expect(at("bf16")).toMatchObject({ klNats: 0, sameChoice: 1, tokens: 63 });
  const [eight, four] = [at("int8 weights, head in bf16"), at("int4 weights, head in bf16")];
  expect(eight.klNats).toBeGreaterThan(0);
  expect(four.klNats).toBeGreaterThan(10 * eight.klNats);
  expect(four.weightMiB).toBeLessThan(eight.weightMiB);
  expect(at("int8 weights, head in 8 bits").weightMiB).toBeLessThan(eight.weightMiB);
  expect(at("fp8 weights, head in bf16").klNats).toBeGreaterThan(eight.klNats);
  const cache = at("bf16, fp8 latent cache");
  expect(cache.klNats).toBeGreaterThan(0);
  expect(cache.weightMiB).toBe(at("bf16").weightMiB);
}, 120_000);
