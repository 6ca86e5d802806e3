/** What the rows should reach. Each target looks at one number of a row; a row may have several. */
import type { BenchRow } from "./row.js";

export interface Target {
  /** What is asked, in words: "times PyTorch". */
  readonly what: string;
  readonly value: number;
  /** Null where only the other one is set. */
  readonly must: number | null;
  readonly aim: number | null;
  readonly isCost: boolean;
}

/** The targets of a row; none if it has none, or its peer did not run. */
export function targetsOf(row: BenchRow): Target[] {
  const { bench, ratio, peerRatio, peerName = "", at = {}, figure, floor, unit } = row;
  const share = (must: number | null, aim: number | null): Target => rate("of the floor", ratio, must, aim);
  const times = (must: number | null, aim: number | null): Target[] =>
    peerRatio === undefined ? [] : [rate(`times ${peerName}`, peerRatio, must, aim)];
  switch (bench) {
    case "kernels":
      // Weights in fewer bits are held against our own bf16.
      if (/^(grouped )?linear fp8/.test(row.case)) return at.rows === 1 ? times(1.8, null) : times(0.85, null);
      return /^(grouped )?linear /.test(row.case) ? [] : times(0.9, 1);
    case "train":
      if (/ fp8 beside bfloat16$/.test(row.case)) return times(0.75, null);
      if (/ fp8 activations$/.test(row.case))
        return [{ what: `of ${peerName}'s`, value: figure / floor, must: 0.6, aim: null, isCost: true }];
      if (unit !== "tokens/s" || !/^(small|middle) /.test(row.case)) return [];
      // The share is one of the bf16 peak, of which float32 arithmetic can reach half.
      return / float32/.test(row.case) ? times(1.2, 2.5) : [share(0.35, 0.5), ...times(1.3, 2.5)];
    case "prefill":
      return times(1.5, 2.3);
    case "decode":
      if (at.batch === 16) return [share(0.75, 0.9)];
      if (at.batch !== 1 || !/(int8|fp8) weights/.test(row.case)) return [];
      if (at.depth === 0) return [...times(1.2, null), share(null, 0.9)];
      if (at.depth === 512) return times(1.6, 2.5);
      return at.depth === 4096 ? times(2, 4) : [];
    case "javascript":
      return row.per === "step" ? [{ what: "% of a step", value: figure, must: 2, aim: null, isCost: true }] : [];
    case "quantization":
      return [];
    case "speculation":
      return speculationTargets(row);
    case "tokenizer":
      return at.threads === 1 ? [rate("MB/s", figure, 10, 30)] : [];
    case "serve":
      return servingTargets(row);
    case "load":
      // Asked of a checkpoint too large to hold twice.
      if (unit === "tokens/s")
        return (at.checkpointMiB ?? 0) < 4096 ? [] : [rate("of reading the weights", ratio, 0.85, null)];
      if (row.case.startsWith("resident memory"))
        return [
          {
            what: "MiB beyond the files",
            value: figure - (at.checkpointMiB ?? 0),
            must: 1024,
            aim: null,
            isCost: true,
          },
        ];
      if (unit === "s") return [{ what: "s", value: figure, must: 2, aim: 2, isCost: true }];
      if (!row.case.startsWith("memory of its own")) return [];
      return [
        {
          what: "of the checkpoint copied",
          value: figure / (at.checkpointMiB ?? 1),
          must: 0.1,
          aim: 0.05,
          isCost: true,
        },
      ];
    default:
      return bench satisfies never;
  }
}

/** Every depth by what it reads, the deepest of a trained model by its tokens too, and what picks the depth by doing without. */
function speculationTargets({ ratio, at = {} }: BenchRow): Target[] {
  if (at.depth === undefined) return [rate("of the speed without drafts", ratio, 0.97, null)];
  if (at.depth === 0) return [];
  const tokens = at.isTrained === 1 && at.depth === 4 ? [rate("tokens a pass", at.tokensPerPass ?? 0, 1.5, null)] : [];
  return [...tokens, rate("of the speed by bytes", ratio, 0.9, null)];
}

/** The server's, by what its case names. */
function servingTargets({ case: name, ratio, peerRatio, peerName, figure, floor, at = {} }: BenchRow): Target[] {
  const most = (what: string, value: number, must: number): Target => ({ what, value, must, aim: null, isCost: true });
  const times = peerRatio === undefined ? [] : [rate(`times ${peerName ?? ""}`, peerRatio, 2, null)];
  if (/, (prefill|decode) of \d+ tokens/.test(name))
    return [rate("of the same in process", ratio, 0.95, null), ...times];
  if (/ again: first token$/.test(name)) return [most("of the first time", figure / floor, 0.1)];
  if (/ beside \d+ streams$/.test(name)) return [rate("of the prompt alone", ratio, 0.6, null)];
  if (/, next token beside a prompt of \d+ tokens, p99$/.test(name)) return [most("ms", figure, 150)];
  if (/, \/health beside a prompt /.test(name)) return [most("ms", figure, 50)];
  if (/: recovery$/.test(name)) return [most("s", figure, 5)];
  return / answered$/.test(name) ? [most("of requests failed otherwise than by 429", at.shareOther ?? 0, 0)] : [];
}

function rate(what: string, value: number, must: number | null, aim: number | null): Target {
  return { what, value, must, aim, isCost: false };
}

/** Every bound reached, all but the aim, or not even what must be. */
export type Verdict = "all" | "notAim" | "below";

export function verdict({ value, must, aim, isCost }: Target): Verdict {
  const reaches = (bound: number): boolean => (isCost ? value <= bound : value >= bound);
  if (must !== null && !reaches(must)) return "below";
  return aim === null || reaches(aim) ? "all" : "notAim";
}
