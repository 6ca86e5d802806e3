import { expect, test } from "vitest";
import { loadPreset } from "../model/presets.js";
import { modelCard } from "./modelCard.js";

const card = (preset: string) =>
  modelCard(preset, {
    config: loadPreset(preset),
    weights: "bfloat16",
    cache: "bfloat16",
    maxPositions: 4096,
    isForChats: true,
  });

test("DeepSeek-V3's card has the published figures", () => {
  const { parameters, blocks, moeLayers, cacheSchemes } = card("deepseek-v3");
  // model.md, training.md E1, E3 and E4.
  expect([parameters.total, parameters.activated, parameters.mtp]).toEqual([
    671_026_419_200, 37_552_297_472, 11_610_068_224,
  ]);
  expect(cacheSchemes.map(({ scheme, bytesPerToken, isOwn }) => [scheme, bytesPerToken, isOwn])).toEqual([
    ["MLA", 70_272, true],
    ["GQA", 249_856, false],
    ["MHA", 3_997_696, false],
  ]);
  // infrastructure.md 1.2
  expect(blocks).toMatchObject([
    { kind: "dense", first: 0, last: 2, total: 583_483_392 },
    { kind: "moe", first: 3, last: 60, total: 11_507_286_272 },
  ]);
  expect([moeLayers.length, moeLayers[0], moeLayers.at(-1)]).toEqual([58, 3, 60]);
});

test.each(["deepseek-v3", "deepseek-v2-lite", "moonlight-16b-a3b", "tiny", "small"])(
  "the parts of %s sum to its parameters",
  (preset) => {
    const { total, activated, parts } = card(preset).parameters;
    expect(parts.reduce((sum, part) => sum + part.total, 0)).toBe(total);
    expect(parts.reduce((sum, part) => sum + part.activated, 0)).toBe(activated);
  },
);

test("a baseline's own attention stands with its own heads", () => {
  const config = { ...loadPreset("deepseek-v3"), attention: "gqa" as const, numKeyValueHeads: 16, headDim: 128 };
  const { cacheSchemes } = modelCard("x", { config, weights: "", cache: "", maxPositions: 1, isForChats: true });
  expect(cacheSchemes.map(({ scheme, valuesPerLayer, isOwn }) => [scheme, valuesPerLayer, isOwn])).toEqual([
    ["GQA", 2 * 16 * 128, true],
    ["MHA", 2 * 128 * 128, false],
  ]);
});
