import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as fathom from "./index.js";

test("the library has the documented names and no others by accident", () => {
  const names =
    `attachAdapter bitsByPosition bitsPerByte createGrid deepseekV3Schedule DeepseekV3 defaultAdapter defaultSettings
    describeInspection downloadModel
    extendedConfig findCheckpoint flopsPerTokenTraining inferenceBatch initialize inspectData
    kvCacheBytesPerToken LanguageModel listCheckpoints loadAdapter loadModel loadPreset loadWeights lockRun mergeAdapter
    modelInThread openWorld parameterCounts parseDataSources
    parseModelConfig positionWindows prepareData PreparedData presetNames pretrain PretrainLoader readConfig readEvents
    readRunRecord resolveModelDirectory saveAdapter saveModel scaledSchedule scoreTokens scoringBatch serializeModelConfig
    singleCommunicator TextData Tokenizer tokenizerTraining trainingBatch trainTokenizer unmergeAdapter
    withoutAdapter writeRandomModel

    askedProblems builtinRewards ChatLoader checkProblem defaultGrpo defaultStageSettings dpo familyInfo familyNames grpo Judge
    EndpointExpert defaultEndpoint loadPairs loadPrompts loadSequences openRewardModel openRewards openSandbox problemAccuracy problemAt problemScorer reward
    rewardScorer scoreSamples sft verifyAnswer withVariant`.split(/\s+/);
  expect(Object.keys(fathom).sort()).toEqual(names.sort());
  for (const value of Object.values(fathom)) expect(value).toBeDefined();
});

test("a model made, saved, opened and asked with the library alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-library-"));
  try {
    const config = { ...fathom.loadPreset("tiny"), numHiddenLayers: 2, vocabSize: 300, numNextnPredictLayers: 0 };
    const made = new fathom.DeepseekV3(config, "float32", fathom.singleCommunicator());
    fathom.initialize(made, 1, 0);
    fathom.saveModel(folder, made);
    const opened = new fathom.DeepseekV3(fathom.readConfig(folder), "float32", fathom.singleCommunicator());
    fathom.loadWeights(opened, folder);
    const [before, after] = [
      await fathom.scoreTokens(made, [[5, 6, 7]]),
      await fathom.scoreTokens(opened, [[5, 6, 7]]),
    ];
    expect(after).toEqual(before);
    const model = fathom.modelInThread(opened, null, { maxBatch: 1, cacheTokens: 64, speculation: 0 });
    const { ids } = await model.generate([5, 6], { maxTokens: 3, ignoreEos: true }).result();
    expect(ids.length).toBe(3);
    await model.close();
    expect(fathom.parameterCounts(config).total).toBeGreaterThan(100_000);
    made.free();
    opened.free();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
