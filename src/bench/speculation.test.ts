import { expect, test } from "vitest";
import { singleCommunicator } from "../distributed/single.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { initialize } from "../model/init.js";
import { loadPreset } from "../model/presets.js";
import { randomTokens } from "../train/measure.js";
import { benchSpeculation, checkSame } from "./speculation.js";
import { targetsOf } from "./targets.js";

test("a mode that writes another token fails, with the place", () => {
  const same = [1, 2, 3];
  checkSame([same, [1, 2, 3]], 0);
  expect(() => checkSame([same, [1, 5, 3]], 4)).toThrow('text 4, token 1 is 5 with "1 draft a step", 2 without drafts');
  expect(() => checkSame([same, [1, 2]], 0)).toThrow("token 2 is undefined");
});

test("each mode has its row: depths beside their bytes, the engine's own choice beside none", async () => {
  const config = { ...loadPreset("tiny"), numNextnPredictLayers: 1 };
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator());
  initialize(model, 1);
  const prompts = [randomTokens(8, config.vocabSize, 1), randomTokens(9, config.vocabSize, 2)];
  const options = { label: "m", isTrained: true, prompts, tokens: 12, rounds: 2, threads: 1, say: () => {} };
  const { rows } = await benchSpeculation(model, options);
  model.free();
  expect(rows.map(({ at }) => at?.depth)).toEqual([0, 1, 2, 3, 4, undefined, 0, undefined]);
  expect(rows[0]).toMatchObject({ ratio: 1, at: { tokensPerPass: 1, timesPlain: 1 } });
  expect(rows.map((row) => targetsOf(row).map(({ what }) => what.replace(/ .*/, "")))).toEqual([
    [],
    ["of"],
    ["of"],
    ["of"],
    ["tokens", "of"],
    ["of"],
    [],
    ["of"],
  ]);
  for (const { samples } of rows) expect(samples).toHaveLength(4);
});
