/** Trains our model through the run of trajectoryTokens.ts: the side that is compared with PyTorch. */
import { singleCommunicator } from "../../src/distributed/single.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { initialize } from "../../src/model/init.js";
import { loadPreset } from "../../src/model/presets.js";
import { rowsMicroBatch, Trainer } from "../../src/train/trainer.js";
import { learningRates, optimizer, run, trajectoryTokens } from "./trajectoryTokens.js";

/** Loss of every step before its update, in float32, without balance loss, bias update or MTP. */
export async function ourLosses(): Promise<number[]> {
  const config = loadPreset(run.preset);
  const single = singleCommunicator();
  const model = new DeepseekV3(config, "float32", single);
  initialize(model, run.seed);
  const trainer = new Trainer(
    model,
    {
      adamw: { ...optimizer, momentDtype: "float32" },
      biasUpdate: "plain",
      balanceCounts: "top",
      deviceBalance: 0,
      communicationBalance: 0,
      deviceCapacity: null,
      recompute: false,
      emaDecay: null,
      onNonFinite: "stop",
    },
    { world: single, dense: single, experts: single },
  );
  trainer.optimizer.adoptWeights();
  const tokens = trajectoryTokens(config.vocabSize);
  const stepSize = run.batch * (run.length + 1);
  const losses: number[] = [];
  for (const [step, learningRate] of learningRates().entries()) {
    const rows = tokens.subarray(step * stepSize, (step + 1) * stepSize);
    const { loss } = await trainer.step([rowsMicroBatch(rows, run.length)], {
      learningRate,
      gamma: 0,
      alpha: 0,
      lambda: 0,
    });
    losses.push(loss);
  }
  model.free();
  return losses;
}
