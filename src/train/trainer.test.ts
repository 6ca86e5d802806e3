import { describe, expect, test } from "vitest";
import { singleCommunicator } from "../distributed/single.js";
import { parseModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { initialize } from "../model/init.js";
import { defaultAdamw } from "./adamw.js";
import { rowsMicroBatch, type StepSettings, Trainer, type TrainerOptions } from "./trainer.js";

const options: TrainerOptions = {
  adamw: defaultAdamw,
  biasUpdate: "plain",
  balanceCounts: "top",
  deviceBalance: 0,
  communicationBalance: 0,
  deviceCapacity: null,
  recompute: false,
  emaDecay: null,
  onNonFinite: "stop",
};

const settings: StepSettings = { learningRate: 5e-3, gamma: 0.001, alpha: 1e-4, lambda: 0.3 };

function makeTrainer(changes: Partial<TrainerOptions> = {}, config: Readonly<Record<string, unknown>> = {}): Trainer {
  const single = singleCommunicator();
  const model = new DeepseekV3(
    parseModelConfig(
      {
        vocab_size: 50,
        hidden_size: 32,
        num_hidden_layers: 2,
        intermediate_size: 48,
        moe_intermediate_size: 16,
        first_k_dense_replace: 1,
        n_routed_experts: 8,
        n_shared_experts: 1,
        num_experts_per_tok: 2,
        num_attention_heads: 2,
        q_lora_rank: 16,
        kv_lora_rank: 12,
        qk_nope_head_dim: 8,
        qk_rope_head_dim: 4,
        v_head_dim: 8,
        num_nextn_predict_layers: 1,
        ...config,
      },
      "test",
    ),
    "float32",
    single,
  );
  initialize(model, 3);
  const trainer = new Trainer(model, { ...options, ...changes }, { world: single, dense: single, experts: single });
  trainer.optimizer.adoptWeights();
  trainer.ema?.adoptWeights();
  return trainer;
}

const length = 12;
const tokens = Int32Array.from({ length: 4 * (length + 1) }, (_, i) => (i * i + 3 * i) % 50);

describe("Trainer", () => {
  test("learns one batch by heart and asks the system for no memory after the second step", async () => {
    const trainer = makeTrainer();
    const reserved: number[] = [];
    let loss = 0;
    for (let step = 0; step < 80; step++) {
      ({ loss } = await trainer.step([rowsMicroBatch(tokens, length)], settings));
      reserved.push(trainer.model.arena.reservedBytes);
    }
    expect(loss).toBeLessThan(0.3);
    expect(reserved.at(-1)).toBe(reserved[1]);
    expect(trainer.model.arena.usedBytes).toBeLessThanOrEqual(trainer.model.arena.reservedBytes);
    trainer.model.free();
  });

  test("two micro-batches make the step of one batch", async () => {
    const [once, twice] = [makeTrainer(), makeTrainer()];
    const half = tokens.length / 2;
    const whole = await once.step([rowsMicroBatch(tokens, length)], settings);
    const parts = await twice.step(
      [rowsMicroBatch(tokens.slice(0, half), length), rowsMicroBatch(tokens.slice(half), length)],
      settings,
    );
    expect(parts.loss).toBeCloseTo(whole.loss, 6);
    expect(parts.gradNorm / whole.gradNorm).toBeCloseTo(1, 5);
    expect(parts.layers).toEqual(whole.layers);
  });

  test("moves the routing bias against the load, once a step", async () => {
    const trainer = makeTrainer();
    const { layers } = await trainer.step([rowsMicroBatch(tokens, length)], { ...settings, gamma: 0.01 });
    const bias = trainer.model.moeLayers[0]?.moe.gate.eScoreCorrectionBias?.data.floats() ?? new Float32Array();
    const counts = layers[0]?.counts ?? [];
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    counts.forEach((count, expert) => {
      expect(bias[expert]).toBeCloseTo(0.01 * Math.sign(mean - count), 7);
    });
  });

  test("leaves a step with a non-finite gradient out, or stops, and names the parameter", async () => {
    const poison = (trainer: Trainer): Float32Array => {
      const parameter = trainer.model.parameters.find(({ name }) => name.endsWith("eh_proj.weight"));
      parameter?.data.floats().fill(Number.POSITIVE_INFINITY, 0, 1);
      return trainer.model.embedTokens.data.floats();
    };
    const skipping = makeTrainer({ onNonFinite: "skip" });
    const weights = poison(skipping);
    const before = weights.slice();
    const result = await skipping.step([rowsMicroBatch(tokens, length)], settings);
    expect(result.skipped.length).toBeGreaterThan(0);
    expect(weights).toEqual(before);
    const stopping = makeTrainer({ onNonFinite: "stop" });
    poison(stopping);
    await expect(stopping.step([rowsMicroBatch(tokens, length)], settings)).rejects.toThrow(
      /not finite: .*no parameter was changed/,
    );
  });

  test("keeps an exponential moving average", async () => {
    const trainer = makeTrainer({ emaDecay: 0.5 });
    const at = trainer.optimizer.shards.findIndex(({ parameter }) => parameter.name === "lm_head.weight");
    const [shard, average] = [trainer.optimizer.shards[at], trainer.ema?.averages[at]];
    const first = shard?.master.floats()[0] ?? Number.NaN;
    await trainer.step([rowsMicroBatch(tokens, length)], settings);
    const second = shard?.master.floats()[0] ?? Number.NaN;
    expect(second).not.toBe(first);
    expect(average?.floats()[0]).toBeCloseTo((first + second) / 2, 6);
  });
});
