/**
 * What fine-tuning on sums has taught, as a row of docs/lora.md: right answers of 500 held-out problems, greedy, for runs of whole weights
 * and of adapters alike. docs/lora.md has the commands that make the runs.
 *
 *   node bench/lora/accuracy.mjs runs/full runs/lora ...
 */
import { loadModel } from "../../dist/generate/loadModel.js";
import { askedProblems, problemAccuracy } from "../../dist/posttrain/grpo/problems.js";

const count = 500;
const choice = { families: ["add-subtract"], level: null, phrasing: "plain", seed: 1 };
for (const run of process.argv.slice(2)) {
  const model = await loadModel(run, { maxBatch: 64, cacheTokens: 64 * 160, speculation: 0 });
  const { accuracy, length, truncated } = await problemAccuracy(
    model,
    askedProblems(model.tokenizer, "heldout", count, choice),
    64,
  );
  await model.close();
  const percent = (share) => (100 * share).toFixed(1);
  console.log(`| ${run} | ${percent(accuracy)} % | ${length.toFixed(1)} | ${percent(truncated)} % |`);
}
