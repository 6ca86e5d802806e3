import { expect, test } from "vitest";
import { extendedConfig, originalWindow } from "./contextExtension.js";
import { loadPreset } from "./presets.js";

const tiny = loadPreset("tiny"); // 256 positions

test("extending by YaRN sets the published block and keeps everything else", () => {
  const extended = extendedConfig(tiny, { method: "yarn", from: 256, to: 1024 });
  expect(extended).toEqual({
    ...tiny,
    maxPositionEmbeddings: 1024,
    ropeScaling: {
      type: "yarn",
      factor: 4,
      originalMaxPositionEmbeddings: 256,
      betaFast: 32,
      betaSlow: 1,
      mscale: 1,
      mscaleAllDim: 1,
    },
  });
});

test("a second phase keeps the original window and its factor grows", () => {
  const first = extendedConfig(tiny, { method: "yarn", from: 256, to: 1024 });
  const second = extendedConfig(first, { method: "yarn", from: 1024, to: 4096 });
  expect(second.ropeScaling).toEqual({ ...first.ropeScaling, factor: 16 });
  expect(second.maxPositionEmbeddings).toBe(4096);
  expect(originalWindow(second, 4096)).toBe(256);
});

test("both phases can have the final factor, as DeepSeek-V3's had", () => {
  const first = extendedConfig(tiny, { method: "yarn", from: 256, to: 1024, factor: 16 });
  const second = extendedConfig(first, { method: "yarn", from: 1024, to: 4096, factor: 16 });
  expect(second.ropeScaling).toEqual(first.ropeScaling);
});

test("linear interpolation divides by the whole stretch, also after a first one", () => {
  const first = extendedConfig(tiny, { method: "linear", from: 256, to: 1024 });
  expect(first.ropeScaling).toEqual({ type: "linear", factor: 4 });
  const second = extendedConfig(first, { method: "linear", from: 1024, to: 2048 });
  expect(second.ropeScaling).toEqual({ type: "linear", factor: 8 });
});

test("no method changes the positions alone", () => {
  const { maxPositionEmbeddings, ...rest } = extendedConfig(tiny, { method: "none", from: 256, to: 1024 });
  const { maxPositionEmbeddings: before, ...old } = tiny;
  expect([rest, before, maxPositionEmbeddings]).toEqual([old, 256, 1024]);
});

test("a window that is not longer and a factor that does not reach it are refused", () => {
  expect(() => extendedConfig(tiny, { method: "yarn", from: 256, to: 256 })).toThrow(
    "the new window must be longer than the 256 tokens so far, got 256",
  );
  expect(() => extendedConfig(tiny, { method: "yarn", from: 256, to: 1024, factor: 2 })).toThrow(
    "factor 2 times the original window of 256 is 512, less than the new window of 1024",
  );
});
