/**
 * A trained reward model: the model's own files, which any program opens, with value_head.safetensors and reward.json beside them. It
 * scores token ids, prompt and answer with the token that ends it; post-training.md 6.3.
 */
import { join } from "node:path";
import { readConfig } from "../../checkpoint/modelFiles.js";
import { openCheckpoint } from "../../checkpoint/openCheckpoint.js";
import { resolveModelDirectory } from "../../checkpoint/runDirectory.js";
import { loadValueHead, valueHeadName, valueHeadOf } from "../../checkpoint/valueHeadFile.js";
import { writeFileAtomic } from "../../files/atomic.js";
import { isObject, readJson } from "../../files/json.js";
import { openTokenizer } from "../../generate/openTokenizer.js";
import { inferenceBatch } from "../../model/batch.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import { type Pooling, poolings, ValueHead } from "../../model/valueHead.js";
import type { ComputeDtype } from "../../tensor/dtype.js";
import { joinIds } from "../../tokenizer/promptIds.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { Passage } from "../data/records.js";
import { ChatRenderer, type RenderedAnswer, type RenderOptions } from "../data/render.js";
import { inOrder } from "../supervisedLoss.js";
import type { RewardLossOptions } from "./rewardLoss.js";

export const rewardFile = "reward.json";

/** How a reward model was trained, for those who use it. */
export interface RewardDescription extends RewardLossOptions {
  /** Most tokens of what it was trained on, prompt and answer together. */
  readonly maxLength: number;
  /** Of which tokens a score is made. */
  readonly pooling: Pooling;
}

/** An answer to score: ids of prompt and answer, with the token that ends the answer unless it was cut. */
export type EncodedAnswer = Pick<RenderedAnswer, "ids" | "promptLength">;

export function writeRewardDescription(directory: string, description: RewardDescription): void {
  writeFileAtomic(join(directory, rewardFile), `${JSON.stringify({ version: 1, ...description }, null, 1)}\n`);
}

export interface OpenRewardOptions {
  /** Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype;
  /** Tokens that go through the model at once; a longer answer goes alone. Default 4096. */
  readonly microBatchTokens?: number;
}

/**
 * @param path a run of `fathom reward`, or one of its checkpoints
 * @throws RangeError for a path without a reward model, or files that do not fit together
 */
export function openRewardModel(path: string, options: OpenRewardOptions = {}): RewardModel {
  const directory = resolveModelDirectory(path);
  const head = valueHeadOf(directory);
  if (!head)
    throw new RangeError(`${directory}: no ${valueHeadName}: not a reward model, which \`fathom reward\` makes`);
  const description = readRewardDescription(directory);
  const tokenizer = openTokenizer(directory, readConfig(directory));
  if (!tokenizer) throw new RangeError(`${directory}: no tokenizer.json`);
  const { model } = openCheckpoint(directory, { dtype: options.dtype });
  const valueHead = new ValueHead(model, { hasBias: head.hasBias, pooling: description.pooling });
  loadValueHead(valueHead, directory);
  return new RewardModel(model, valueHead, {
    tokenizer,
    description,
    microBatchTokens: options.microBatchTokens ?? 4096,
  });
}

export interface RewardModelParts {
  readonly tokenizer: Tokenizer;
  readonly description: RewardDescription;
  readonly microBatchTokens: number;
}

export class RewardModel implements Disposable {
  readonly tokenizer: Tokenizer;
  readonly description: RewardDescription;
  readonly #model: DeepseekV3;
  readonly #head: ValueHead;
  readonly #microBatchTokens: number;

  /** Owns the model. */
  constructor(model: DeepseekV3, head: ValueHead, { tokenizer, description, microBatchTokens }: RewardModelParts) {
    this.#model = model;
    this.#head = head;
    this.tokenizer = tokenizer;
    this.description = description;
    this.#microBatchTokens = microBatchTokens;
  }

  /** A score of each answer. @throws RangeError for no token at all, or more than the model takes */
  async score(answers: readonly EncodedAnswer[]): Promise<Float64Array> {
    const { maxPositionEmbeddings: most } = this.#model.config;
    const bad = answers.findIndex(({ ids: { length } }) => length < 1 || length > most);
    if (bad >= 0) {
      throw new RangeError(
        `reward model: sequence ${bad} has ${answers[bad]?.ids.length} tokens, expected 1 to ${most}`,
      );
    }
    const scores: number[] = [];
    for (const group of inOrder(answers, this.#microBatchTokens)) {
      scores.push(...(await groupScores(this.#model, this.#head, group)));
    }
    return Float64Array.from(scores);
  }

  /** A prompt with its answer, as they were rendered in training. @throws RangeError for what the chat template refuses */
  encode(prompt: Passage, completion: Passage, render: Partial<RenderOptions> = {}): EncodedAnswer {
    const about = { path: "answer", row: 1, key: "", tools: [], columns: {}, unusedFields: [] };
    const record = { ...about, kind: "unpaired", prompt, completion, isDesirable: true } as const;
    return new ChatRenderer(this.tokenizer, render).unpaired(record);
  }

  /** The same of a prompt whose control tokens are spelled in it, and which needs no template. */
  encodeText(prompt: string, completion: string): EncodedAnswer {
    const { eosTokenId } = this.tokenizer;
    if (eosTokenId === null) throw new RangeError("reward model: the tokenizer has no end token");
    const before = this.tokenizer.encode(prompt, { allowSpecial: true });
    const ids = joinIds([before, this.tokenizer.encode(completion), [eosTokenId]]);
    return { ids, promptLength: before.length };
  }

  [Symbol.dispose](): void {
    this.#model.free();
  }
}

/** Scores of answers that go through the model together. */
export async function groupScores(
  model: DeepseekV3,
  head: ValueHead,
  group: readonly EncodedAnswer[],
): Promise<Float32Array> {
  using batch = inferenceBatch(
    model.arena,
    group.map(({ ids }) => ids),
  );
  const promptLengths = group.map(({ promptLength }) => promptLength);
  return await head.scores({ batch, promptLengths }); // The batch is freed behind it.
}

/** How the reward model of a checkpoint was trained. @throws RangeError for a file that is missing or none */
export function readRewardDescription(directory: string): RewardDescription {
  const path = join(directory, rewardFile);
  const json = readJson(path);
  if (!isObject(json) || json.version !== 1) throw new RangeError(`${path}: not of this program's version`);
  const { maxLength, centring, margin, pooling: given = "last" } = json;
  if (typeof maxLength !== "number" || typeof centring !== "number" || typeof margin !== "number") {
    throw new RangeError(`${path}: maxLength, centring and margin must be numbers`);
  }
  const pooling = poolings.find((each) => each === given);
  if (!pooling) {
    throw new RangeError(`${path}: pooling is ${JSON.stringify(given)}, expected ${poolings.join(" or ")}`);
  }
  return { maxLength, centring, margin, pooling };
}
