#!/bin/sh
# Every figure of docs/performance.md, which this writes: ours in turn with the peers that are installed (bench/notes.md says how).
#
#   recipes/bench.sh          about an hour on two quiet cores
#
# Quantization and speculation are measured on the model of `npm run quickstart`, if it is there. Stored: bench/results/*.json.
set -eu
cd "$(dirname "$0")/.."
npm run --silent build
node dist/cli/main.js bench all --peer --save bench/results
node dist/cli/main.js bench report
