/**
 * Writes fixtures/lmEval: a small random model, and what lm-eval makes of it on the records in fixtures/lmEval/data.
 *
 *     npm run build && node test/parity/lmEval.mjs [PYTHON]      (default python3; needs torch, transformers, lm_eval)
 *
 * lmEval.test.ts asks the same model the same records. Those are made up for this, in the columns of the public data sets; some answers
 * of generating tasks are what the model happens to write, so that there are right ones too. The model likes printable letters, and digits
 * above all, so that its texts have numbers, stops and no broken characters.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { saveModel } from "../../dist/checkpoint/modelFiles.js";
import { singleCommunicator } from "../../dist/distributed/single.js";
import { parseModelConfig } from "../../dist/model/config.js";
import { DeepseekV3 } from "../../dist/model/deepseekV3.js";
import { initialize } from "../../dist/model/init.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../dist/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../dist/tokenizer/tokenizer.js";

const here = dirname(fileURLToPath(import.meta.url));
const fixtures = join(here, "fixtures", "lmEval");
const directory = join(fixtures, "model");

// Some letters in one token, also behind a space and across the end of a context.
const merges = [
  "t h",
  "th e",
  " |a",
  " |the",
  "i n",
  "in g",
  "e r",
  " |w",
  "o n",
  "a n",
  "an d",
  "r e",
  "o r",
  "e n",
  " |B",
  "n s",
];
const bytes = (text) => Buffer.from(text);
const parts = merges.map((line) => line.split(line.includes("|") ? "|" : " "));
const tokenizer = Tokenizer.fromJson(
  buildTokenizerJson(parts.map(([left, right]) => ({ left: bytes(left), right: bytes(right) }))),
  buildTokenizerConfig(),
);
const config = parseModelConfig(
  {
    vocab_size: tokenizer.vocabSize,
    hidden_size: 24,
    num_hidden_layers: 2,
    intermediate_size: 32,
    moe_intermediate_size: 12,
    first_k_dense_replace: 1,
    n_routed_experts: 8,
    n_shared_experts: 1,
    num_experts_per_tok: 2,
    n_group: 4,
    topk_group: 2,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    q_lora_rank: 16,
    kv_lora_rank: 12,
    qk_nope_head_dim: 8,
    qk_rope_head_dim: 4,
    v_head_dim: 8,
    num_nextn_predict_layers: 0,
    max_position_embeddings: 640,
    initializer_range: 0.3,
    bos_token_id: tokenizer.bosTokenId,
    eos_token_id: tokenizer.eosTokenId,
  },
  "config of the fixture",
);
const model = new DeepseekV3(config, "float32", singleCommunicator());
initialize(model, 1);
const head = model.lmHead.data.floats();
for (let id = 0; id < config.vocabSize; id++) {
  const text = tokenizer.decode([id]);
  const scale = /^[0-9#$.]+$/.test(text) ? 1.5 : /^[ -~\n]+$/.test(text) ? 1 : 0;
  for (let i = 0; i < config.hiddenSize; i++) head[id * config.hiddenSize + i] *= scale;
}
saveModel(directory, model, { dtype: "float32" });
tokenizer.save(directory);
const python = process.argv[2] ?? "python3";
const { status } = spawnSync(python, [join(here, "lmEval.py"), directory, join(fixtures, "data"), fixtures], {
  stdio: "inherit",
});
if (status !== 0) throw new Error(`${python} lmEval.py: exit ${status}`);
