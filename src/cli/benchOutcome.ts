/** What the benches share on the command line: options, the table, and where results go. */
import { Option } from "commander";
import type { BenchRow } from "../bench/row.js";
import { watchStolen } from "../bench/stolen.js";
import type { Floors } from "../train/floors.js";
import { integerOption, type Outcome, table } from "./output.js";

/** What was stolen of the processors' time since the bench began. */
let stolenShare: () => number | null = () => null;

export function beginBench(): void {
  stolenShare = watchStolen();
}

/** --peer */
export function peerOption(what: string): Option {
  return new Option("--peer", `take turns with ${what}, if it is installed`);
}

/** --save */
export function saveOption(): Option {
  return new Option("--save <file>", "store the result as JSON, for `fathom bench report`");
}

/** --repeats */
export function repeatsOption(usual: number): Option {
  return integerOption("--repeats <n>", `runs per figure; the median counts (default ${usual})`, 1, 1000);
}

/** The rows as a table and, stored with date and machine, as JSON. @param facts more for scripts */
export async function benchOutcome(
  found: { readonly rows: readonly BenchRow[]; readonly floors?: Floors | null },
  save: string | undefined,
  facts: object = {},
): Promise<Outcome> {
  const { saveResult, storedResult } = await import("../bench/results.js");
  const result = storedResult(commandWords(process.argv.slice(3)), new Date(), found, stolenShare());
  if (save !== undefined) saveResult(save, result);
  return { result: { ...facts, ...result }, text: rowTable(found.rows) };
}

/** The command as it was given, without how it prints and stores. */
function commandWords(words: readonly string[]): string {
  return words
    .filter((word, i) => word !== "--json" && !word.startsWith("--save") && words[i - 1] !== "--save")
    .join(" ");
}

export function rowTable(rows: readonly BenchRow[]): string {
  const hasPeers = rows.some(({ peerName }) => peerName !== undefined);
  // Figures beside another figure of the run name it.
  const isBeside = rows.some(({ floorName }) => floorName !== undefined);
  const head = [
    "case",
    "threads",
    "figure",
    isBeside ? "floor or figure beside it" : "floor",
    "of the floor",
    ...(hasPeers ? ["peer", "ratio", ""] : []),
  ];
  return table([
    head,
    ...rows.map(
      ({ bench, case: name, threads, figure, floor, floorName, unit, ratio, peer, peerRatio, peerName = "" }) => [
        `${bench} ${name}`,
        threads,
        `${short(figure)} ${unit}`,
        `${short(floor)} ${unit}${floorName === undefined ? "" : ` (${floorName})`}`,
        `${(100 * ratio).toFixed(0)} %`,
        ...(hasPeers
          ? [
              peer === undefined ? "" : `${short(peer)} ${unit}`,
              peerRatio === undefined ? "" : peerRatio.toFixed(2),
              peerName,
            ]
          : []),
      ],
    ),
  ]);
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
