import { expect, test } from "vitest";
import { expectClose, noise, onEveryIsa } from "../../../test/kernels/memory.js";
import { Arena } from "../arena.js";
import { quantFormat } from "../dtype.js";
import { native } from "../native.js";
import { createParameter, createQuantized, type Parameter } from "../parameter.js";
import { Tape } from "../tape.js";
import { Tensor } from "../tensor.js";
import { linearCrossEntropy } from "./crossEntropy.js";

const arena = new Arena();
const [rows, vocab, dim] = [70, 37, 64];
const targets = Array.from({ length: rows }, (_, i) => (i % 9 === 4 ? -1 : (i * 5) % vocab));
const scale = 0.25;

function headOf(storage: "float32" | "bfloat16" | "float8_e4m3fn" | "int8" | "int4"): Parameter {
  const exact = createParameter(arena, "head", [vocab, dim], "float32");
  exact.data.floats().set(noise(1, vocab * dim, 0.7));
  if (storage === "float32") return exact;
  if (storage === "bfloat16") return { ...exact, data: exact.data.converted(arena, "bfloat16") };
  const head = createQuantized(arena, "head", [vocab, dim], storage, 32);
  const to = head.scales?.values.address ?? 0;
  native().quantizeRows(head.data.address, to, exact.data.address, vocab, dim, 32, quantFormat(storage), 0);
  return head;
}

function valuesOf({ data, scales }: Parameter): Float32Array {
  if (!scales) return data.toFloats();
  const y = Tensor.empty(arena, [vocab, dim], "float32");
  const from = scales.values.address;
  native().dequantizeRows(y.address, data.address, from, vocab, dim, 32, quantFormat(data.dtype), 0);
  return y.floats();
}

test.each(["float32", "bfloat16", "float8_e4m3fn", "int8", "int4"] as const)(
  "losses and the gradient of the input, of a head in %s, are those of a naive softmax",
  async (storage) => {
    const head = headOf(storage);
    const w = valuesOf(head);
    const x = Tensor.fromFloats(arena, [rows, dim], noise(2, rows * dim));
    const values = x.floats();
    const losses = new Float64Array(rows);
    const dx = new Float64Array(rows * dim);
    targets.forEach((target, row) => {
      if (target < 0) return;
      const logits = Array.from({ length: vocab }, (_, j) => {
        let sum = 0;
        for (let p = 0; p < dim; p++) sum += w[j * dim + p]! * values[row * dim + p]!;
        return sum;
      });
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
      losses[row] = Math.log(total) - logits[target]!;
      logits.forEach((logit, j) => {
        const slope = scale * (Math.exp(logit) / total - (j === target ? 1 : 0));
        for (let p = 0; p < dim; p++) dx[row * dim + p]! += slope * w[j * dim + p]!;
      });
    });
    const ids = Tensor.fromInts(arena, targets);
    for (const hasGrad of [false, true]) {
      const seen: Float32Array[] = [];
      onEveryIsa((isa) => {
        using tape = new Tape(arena, { hasGrad });
        seen.push(linearCrossEntropy(tape, x, head, ids, scale).losses.floats().slice());
        expectClose(seen.at(-1) ?? [], losses, 1e-5, 0, `${isa} ${hasGrad}`);
      });
      expect(seen.length).toBeGreaterThan(0);
    }
    const tape = new Tape(arena, { hasGrad: true });
    linearCrossEntropy(tape, x, head, ids, scale);
    await tape.backward();
    expectClose(x.grad?.floats() ?? [], dx, 1e-5, 0, "dx");
  },
);
