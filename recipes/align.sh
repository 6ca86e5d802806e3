#!/bin/sh
# Sums of two and three digits from the model of `npm run quickstart`: by examples, then by reinforcement; three seeds. Writes the pictures of
# docs/post-training.md and prints its figures. About six minutes on two quiet cores.
#
#   recipes/align.sh
#   BASE=runs/mine SEEDS="1 2" recipes/align.sh
set -eu
cd "$(dirname "$0")/.."
BASE=${BASE:-runs/quickstart}
SEEDS=${SEEDS:-1 2 3}
WORK=${WORK:-runs/align}
npm run --silent build
fathom() { node dist/cli/main.js "$@"; }
mkdir -p "$WORK"
for seed in $SEEDS; do
  [ -d "$WORK/grpo-$seed" ] && continue
  fathom data generate --family add-subtract --split train --count 16000 --plain --seed "$seed" --out "$WORK/sums-$seed.jsonl"
  fathom sft --model "$BASE" --data "$WORK/sums-$seed.jsonl" --learning-rate 1.5e-3 --min-learning-rate 1e-4 --warmup-steps 10 \
    --epochs 1 --batch 24 --length 96 --steps 360 --validation-fraction 0.01 --seed "$seed" --out "$WORK/sft-$seed"
  fathom grpo --model "$WORK/sft-$seed" --problems add-subtract --plain --learning-rate 1e-4 --min-learning-rate 1e-5 --warmup-steps 10 \
    --prompts 32 --group 8 --rollout-batch 256 --max-new-tokens 48 --validate-every 20 --steps 80 --eval-problems 500 \
    --seed "$seed" --out "$WORK/grpo-$seed"
done
# shellcheck disable=SC2086
node bench/align/report.mjs "$WORK" docs $SEEDS
