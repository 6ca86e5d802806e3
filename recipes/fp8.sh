#!/bin/sh
# Training in FP8 against bfloat16: the same model, data and seeds; see docs/fp8.md, which this writes.
#
#   recipes/fp8.sh            400 steps of the preset `tiny`, three seeds: about 25 minutes on two cores
#   STEPS=40 recipes/fp8.sh   a look
#
# Stored: bench/results/fp8/*.json (losses per step). Runs that are there already with as many steps are kept.
set -eu
cd "$(dirname "$0")/.."
STEPS=${STEPS:-400}
SEEDS=${SEEDS:-1 2 3}
WORK=${WORK:-runs/fp8}
RESULTS=bench/results/fp8
npm run --silent build

# One tokenizer and one set of tokens for all runs: the program's own text.
fathom() { node dist/cli/main.js "$@"; }
[ -d "$WORK/tokenizer" ] || fathom tokenizer train --data src --data native --data test --vocab-size 4096 --out "$WORK/tokenizer"
fathom data prepare --data src --data native --data test --tokenizer "$WORK/tokenizer" --out "$WORK/data"

run() { # name, then flags of bench/fp8/train.mjs
  name=$1
  shift
  if grep -qs "\"steps\":$STEPS," "$RESULTS/$name.json"; then echo "$name: kept"; return; fi
  node bench/fp8/train.mjs --out "$RESULTS/$name.json" --data "$WORK/data" --steps "$STEPS" "$@"
}

for seed in $SEEDS; do
  run "bf16-$seed" --precision bfloat16 --seed "$seed"
  run "fp8-$seed" --precision fp8 --seed "$seed"
done
set -- $SEEDS
# The variant that the report warns of, and how far bfloat16 drifts from itself.
run "fp8-blocks-$1" --precision fp8 --seed "$1" --gradient-blocks
for noise in 1 2; do run "bf16-$1-perturbed-$noise" --precision bfloat16 --seed "$1" --perturb "$noise"; done

node bench/fp8/report.mjs "$RESULTS" docs
