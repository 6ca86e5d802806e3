/**
 * What fewer bits cost: held-out text read token by token, as generation reads it, once with bf16 weights and cache and once for each way of keeping
 * weights or cache in fewer; perplexity of both, and the mean divergence KL(bf16 || fewer bits) of what they expect next.
 */
import { loadWeights, quantizedTo, readConfig } from "../checkpoint/modelFiles.js";
import { singleCommunicator } from "../distributed/single.js";
import { decode, SequenceCache } from "../generate/forward.js";
import { argMax } from "../generate/sampler.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import type { QuantDtype } from "../tensor/dtype.js";
import type { CacheDtype } from "../tensor/ops/latentAttention.js";
import { measureSection, type Say, timed } from "./rounds.js";
import { type BenchRow, costRow } from "./row.js";
import { formatNames, layerOf, weightBytes } from "./weights.js";

export interface QuantizationOptions {
  /** What the rows call the model. */
  readonly label: string;
  readonly directory: string;
  /** Token ids, each text read from an empty cache. */
  readonly texts: readonly Int32Array[];
  readonly threads: number;
  readonly say: Say;
}

interface Variant {
  readonly name: string;
  readonly weights: QuantDtype | null;
  readonly hasQuantizedHead: boolean;
  readonly cache: CacheDtype;
}

const reference: Variant = { name: "bf16", weights: null, hasQuantizedHead: false, cache: "bfloat16" };
const variants: readonly Variant[] = [
  ...(["float8_e4m3fn", "int8", "int4"] as const).flatMap((weights) =>
    [false, true].map((hasQuantizedHead) => ({
      name: `${formatNames[weights]} weights, head in ${hasQuantizedHead ? "8 bits" : "bf16"}`,
      weights,
      hasQuantizedHead,
      cache: "bfloat16" as const,
    })),
  ),
  { ...reference, name: "bf16, fp8 latent cache", cache: "float8_e4m3fn" },
];

/** Logarithms of the probabilities that a model gives, [tokens that are predicted, vocab]. */
interface Expected {
  readonly logProbabilities: readonly Float32Array[];
  readonly weightMiB: number;
}

export async function benchQuantization(options: QuantizationOptions): Promise<{ readonly rows: readonly BenchRow[] }> {
  const { label, texts, threads, say } = options;
  const targets = texts.flatMap((ids) => Array.from(ids.subarray(1)));
  if (targets.length === 0) throw new RangeError("bench quantization: no text of two tokens");
  const plain = await readAll(reference, options);
  const best = perplexity(plain, targets);
  const rows: BenchRow[] = [];
  for (const variant of [reference, ...variants]) {
    let found = plain;
    if (variant !== reference) {
      await measureSection({
        name: `quantization ${label} ${variant.name}`,
        rounds: 1,
        say,
        ours: () =>
          timed(async () => {
            found = await readAll(variant, options);
          }),
      });
    }
    const [klNats, sameChoice] = divergence(plain, found);
    const at = { tokens: targets.length, klNats, sameChoice, weightMiB: found.weightMiB };
    const facts = { bench: "quantization", case: `${label}, ${variant.name}`, threads, at } as const;
    rows.push(costRow(facts, "perplexity", [perplexity(found, targets)], best));
  }
  return { rows };
}

async function readAll(variant: Variant, { directory, texts }: QuantizationOptions): Promise<Expected> {
  const config = readConfig(directory);
  const { weights, hasQuantizedHead } = variant;
  const storage = weights === null ? undefined : quantizedTo(weights, hasQuantizedHead);
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator(), storage);
  loadWeights(model, directory);
  const logProbabilities: Float32Array[] = [];
  for (const ids of texts) {
    using cache = new SequenceCache(model, ids.length, variant.cache);
    // The last token predicts nothing that is known.
    for (const id of ids.subarray(0, -1)) logProbabilities.push(logSoftmax(await decode(model, cache, id)));
  }
  const main = model.parameters.filter((parameter) => layerOf(parameter) < config.numHiddenLayers);
  const weightMiB = main.reduce((sum, parameter) => sum + weightBytes(parameter), 0) / 2 ** 20;
  model.free();
  return { logProbabilities, weightMiB };
}

function logSoftmax(logits: Float32Array): Float32Array {
  const most = logits[argMax(logits)] ?? 0;
  const sum = logits.reduce((total, value) => total + Math.exp(value - most), 0);
  return Float32Array.from(logits, (value) => value - most - Math.log(sum));
}

function perplexity({ logProbabilities }: Expected, targets: readonly number[]): number {
  const nats = targets.reduce((sum, id, i) => sum - (logProbabilities[i]?.[id] ?? Number.NaN), 0);
  return Math.exp(nats / targets.length);
}

/** Mean over the tokens of KL(plain || other), and the share of them for which both think the same token most likely. */
export function divergence(plain: Pick<Expected, "logProbabilities">, other: typeof plain): [number, number] {
  let [nats, same] = [0, 0];
  for (const [i, p] of plain.logProbabilities.entries()) {
    const q = other.logProbabilities[i] ?? p;
    nats += p.reduce((sum, value, id) => sum + Math.exp(value) * (value - (q[id] ?? 0)), 0);
    if (argMax(p) === argMax(q)) same++;
  }
  const count = plain.logProbabilities.length;
  return [nats / count, same / count];
}
