/**
 * Pictures and figures of docs/post-training.md from the runs of recipes/align.sh; the figures go to standard output.
 *
 *   node bench/align/report.mjs runs/align docs 1 2 3
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { palette, picture } from "../picture.mjs";

const [runs, docs, ...seeds] = process.argv.slice(2);
const eventsOf = (run) =>
  readFileSync(join(run, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const all = seeds.map((seed) => {
  const events = eventsOf(join(runs, `grpo-${seed}`));
  return {
    seed,
    steps: events.filter(({ kind }) => kind === "step"),
    accuracy: events.filter(({ kind }) => kind === "evaluation").map(({ step, figures }) => [step, figures.accuracy]),
  };
});
const series = (points) =>
  all.map((run, i) => ({ name: `seed ${run.seed}`, color: palette[i % palette.length], points: points(run) }));
const ofSteps = (value) => series(({ steps }) => steps.map(({ step, policy }) => [step, value(policy)]));
const charts = {
  accuracy: picture(
    "Held-out sums right, greedy",
    "share",
    series(({ accuracy }) => accuracy),
    { legendX: 430 },
  ),
  reward: picture(
    "Reward: share of sampled answers that are right",
    "share",
    ofSteps(({ reward }) => reward),
    { legendX: 430 },
  ),
  kl: picture(
    "KL to the model of SFT",
    "nats per token, k3",
    ofSteps(({ kl }) => kl),
    { legendX: 66 },
  ),
  entropy: picture(
    "Entropy",
    "nats per token",
    ofSteps(({ entropy }) => entropy),
    { legendX: 430 },
  ),
};
for (const [name, svg] of Object.entries(charts)) writeFileSync(join(docs, `grpo-${name}.svg`), svg);

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (values) =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) * (values.length / (values.length - 1)));
const told = (name, values, digits = 1, factor = 100) =>
  console.log(
    `${name}: ${values.map((x) => (factor * x).toFixed(digits)).join(", ")}; mean ${(factor * mean(values)).toFixed(digits)}, spread ${(factor * spread(values)).toFixed(digits)}`,
  );
told(
  "SFT, %",
  all.map(({ accuracy }) => accuracy[0][1]),
);
told(
  "GRPO, %",
  all.map(({ accuracy }) => accuracy.at(-1)[1]),
);
told(
  "gain, points",
  all.map(({ accuracy }) => accuracy.at(-1)[1] - accuracy[0][1]),
);
const last = (value) => all.map(({ steps }) => mean(steps.slice(-10).map(({ policy }) => value(policy))));
const first = (value) => all.map(({ steps }) => mean(steps.slice(0, 3).map(({ policy }) => value(policy))));
told(
  "reward, first steps, %",
  first(({ reward }) => reward),
);
told(
  "reward, last steps, %",
  last(({ reward }) => reward),
);
told(
  "KL, last steps",
  last(({ kl }) => kl),
  4,
  1,
);
told(
  "entropy, first steps",
  first(({ entropy }) => entropy),
  3,
  1,
);
told(
  "entropy, last steps",
  last(({ entropy }) => entropy),
  3,
  1,
);
for (const phase of ["rollout", "reward", "logprobs", "update"])
  told(
    `seconds a step, ${phase}`,
    last(({ seconds }) => seconds[phase]),
    3,
    1,
  );
