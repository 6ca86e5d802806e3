/**
 * docs/fp8.md and its pictures from the stored runs of recipes/fp8.sh.
 *
 *   node bench/fp8/report.mjs bench/results/fp8 docs
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { palette, picture } from "../picture.mjs";

const [results, docs] = process.argv.slice(2);
const runs = new Map(
  readdirSync(results)
    .filter((name) => name.endsWith(".json"))
    .map((name) => [name.slice(0, -".json".length), JSON.parse(readFileSync(join(results, name), "utf8"))]),
);
const names = [...runs.keys()];
const seeds = names.filter((name) => /^bf16-\d+$/.test(name)).map((name) => Number(name.slice(5)));

/** The exponential moving average that the report smooths its curves with. */
function smoothed(losses) {
  let average = losses[0];
  return losses.map((loss) => {
    average = 0.9 * average + 0.1 * loss;
    return average;
  });
}

/** Relative difference of the smoothed losses to those of another run, signed. */
function gap(name, baseline) {
  const [a, b] = [name, baseline].map((of) => smoothed(runs.get(of).losses));
  return a.map((loss, i) => (loss - b[i]) / b[i]);
}

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const percent = (value) => `${(100 * value).toFixed(3)} %`;
const pairs = [
  ...seeds.map((seed) => ({ name: `fp8-${seed}`, baseline: `bf16-${seed}`, what: `FP8, seed ${seed}` })),
  ...names
    .filter((name) => name.startsWith("fp8-blocks"))
    .map((name) => ({
      name,
      baseline: `bf16-${runs.get(name).seed}`,
      what: `FP8 with gradients in 128 x 128 blocks, seed ${runs.get(name).seed}`,
    })),
  ...names
    .filter((name) => name.includes("perturbed"))
    .map((name) => ({
      name,
      baseline: `bf16-${runs.get(name).seed}`,
      what: `bf16, weights moved by 1e-6 (noise ${runs.get(name).perturbation.seed})`,
    })),
].filter(({ name, baseline }) => runs.has(name) && runs.has(baseline));

const rows = pairs.map(({ name, baseline, what }) => {
  const values = gap(name, baseline);
  const late = values.slice(values.length >> 1);
  const mean = late.reduce((sum, value) => sum + value, 0) / late.length;
  const last = smoothed(runs.get(name).losses).at(-1);
  return { what, last, most: largest(values), late: largest(late), mean, values };
});
const [base] = seeds.map((seed) => runs.get(`bf16-${seed}`));
const [small] = seeds.map((seed) => runs.get(`fp8-${seed}`));

const curves = names
  .filter((name) => !name.includes("perturbed"))
  .map((name, i) => ({
    name,
    color: palette[i % palette.length],
    points: smoothed(runs.get(name).losses).map((loss, step) => [step + 1, loss]),
  }));
const gaps = rows.map(({ what, values }, i) => ({
  name: what,
  color: palette[i % palette.length],
  points: values.map((value, step) => [step + 1, 100 * value]),
}));
writeFileSync(join(docs, "fp8-loss.svg"), picture("Training loss", "nats, EMA 0.9", curves, { legendX: 430 }));
writeFileSync(join(docs, "fp8-gap.svg"), picture("Relative loss gap to bf16", "percent, EMA 0.9", gaps));

const table = rows
  .map(
    ({ what, last, most, late, mean }) =>
      `| ${what} | ${last.toFixed(4)} | ${percent(most)} | ${percent(late)} | ${percent(mean)} |`,
  )
  .join("\n");
const mostOf = (kind, of) => largest(rows.filter(({ what }) => kind.test(what)).map(of));
const [fp8, noise] = [/^FP8, seed/, /noise/].map((kind) => ({
  most: mostOf(kind, ({ most }) => most),
  mean: mostOf(kind, ({ mean }) => mean),
}));
const drift = `bfloat16 itself drifts by up to ${percent(noise.most)} where its first weights differ by 1e-6 (one seed, two runs)`;
const verdict = `The report bounds the gap by 0.25 %; the largest here is ${percent(fp8.most)}${fp8.most < 0.0025 ? "" : ", **above that**"}. ${drift}: at its largest FP8's gap is ${fp8.most > noise.most ? "more than noise alone makes" : "within what noise alone makes"}. Means of the second half are at most ${percent(fp8.mean)} and ${percent(noise.mean)}.`;
const ratio = (a, b) => (a / b).toFixed(2);
writeFileSync(
  join(docs, "fp8.md"),
  `# Training in FP8

\`fathom pretrain --dtype fp8\` trains as section 3.3 of the DeepSeek-V3 report: all three products of every linear of attention,
feed-forward parts and experts read E4M3 bytes. This page says what is stored, and measures the loss against bfloat16.

| what | how |
|---|---|
| weights | E4M3 with a float32 scale for each block of 128 x 128, quantised from float32 masters after every step; there is no other copy |
| inputs | E4M3 in tiles of 1 x 128, made once for all linears that read the same tensor, and kept for the backward in place of the values |
| output gradients | E4M3 in tiles of 1 x 128 for the input's gradient, of 128 x 1 (per expert) for the weight's |
| weight gradient | the kept tiles of x are dequantised and quantised anew in 128 x 1; sums in float32 into a float32 gradient |
| sums | float32, each block of 128 terms multiplied by its two scales and then added; \`--fp8-accumulation-bits 14\` cuts as Hopper does |
| powers of two | scales of o_proj's input, of what the experts' up-projections read, of the gradient before the routed down-projections |
| attention's output | E5M6 (12 bits, assumed 1-5-6 with bias 15), read by o_proj and by the attention's backward |
| SwiGLU | inputs kept in E4M3, gate and up apart; the output is computed anew in the backward |
| norms, up-projections of attention | computed anew |
| embedding, head, router, norms, attention core, eh_proj | bfloat16 or float32 as without FP8 |
| NaN or infinity | makes its tile's scale NaN, so the loss or gradient is not finite and the step is skipped or stops the run |

## Measured

Preset ${base.preset}, ${base.steps} steps of ${base.batch} x ${base.length} tokens, v3 schedule, bf16 moments, ${base.threads} threads, ${base.isa}. Losses
smoothed with EMA 0.9 as in the report; the gap is relative to the bfloat16 run of the same seed, weights and rows.

| run | last loss | largest gap | largest in the second half | mean in the second half |
|---|---|---|---|---|
${table}

${verdict}

${small ? `Speed: FP8 ${small.tokensPerSecond} tokens/s, bf16 ${base.tokensPerSecond} (${ratio(small.tokensPerSecond, base.tokensPerSecond)} x), medians of steps of the first seed. Kept for the backward: ${(small.activationBytes / 2 ** 20).toFixed(1)} MiB against ${(base.activationBytes / 2 ** 20).toFixed(1)} MiB (${ratio(small.activationBytes, base.activationBytes)} x). Products this small are a smaller part of a step, and quantising a larger one; of \`small\` and \`middle\` tell the tables of [performance.md](performance.md).` : ""}

![Training loss](fp8-loss.svg)

![Relative gap](fp8-gap.svg)

## What this can and cannot show

- It can show a wrong scale, a missing term or a systematic bias: those move the gap further than two runs of bfloat16 drift apart whose weights
  differ by 1e-6, which is the noise floor in the last rows of the table. A gap at or below that floor says that FP8 is not worse here, and no more.
- It cannot show what the report saw after hundreds of billions of tokens: that gradients in blocks of 128 x 128 make a model of 16B parameters
  diverge. The row of that variant shows how much coarser its gradients are in a few hundred steps; it says nothing about divergence.
- Inner sizes of this preset are at most 384, so few sums have more than one block of 128, and the limited accumulation of Hopper is
  not visible either.

Made by \`recipes/fp8.sh\`; the runs lie in \`${results}\`.
`,
);
for (const { what, most, late } of rows)
  console.log(`${what}: largest gap ${percent(most)}, second half ${percent(late)}`);
