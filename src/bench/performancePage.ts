/** docs/performance.md from stored results: what was measured where, a table for each bench, the plots, and each gap with its counts. */
import { basename } from "node:path";
import { allRuns } from "./all.js";
import type { Plot } from "./plots.js";
import type { StoredResult } from "./results.js";
import type { BenchName, BenchRow } from "./row.js";
import { type Target, targetsOf, verdict } from "./targets.js";

const headings: Readonly<Record<BenchName, string>> = {
  train: "Training",
  prefill: "Prefill",
  decode: "Decoding",
  javascript: "JavaScript's share",
  quantization: "What fewer bits cost",
  speculation: "Speculative decoding",
  load: "Opening a checkpoint",
  serve: "Serving",
  tokenizer: "Encoding",
  kernels: "Kernels",
};

/** What a reader needs before the table. */
const introductions: Readonly<Partial<Record<BenchName, string>>> = {
  javascript:
    "Wall clock less the time inside kernels, in percent of the wall clock; the floor is as many empty calls into the addon. With more threads the kernels' part shrinks and the milliseconds of JavaScript stay.",
  serve:
    "`fathom serve` as its clients meet it, over HTTP, in a process of its own; prompts are token ids, answers are streamed and greedy. Each figure stands beside another of the same run: the same work without a server, one client alone, or the same without what disturbs it.",
  quantization:
    "Held-out text read token by token, as generation reads it, with fewer bits for weights or cache against bf16 for both. Activations are bf16.",
  speculation:
    "One greedy stream whose next tokens an MTP module drafts, against the same without drafts; what is written is the same to the last token. By bytes: tokens a pass over what verifying and drafting read, in plain steps; verifying meets the experts of all its rows, and each draft reads the module and the head.",
};

/** Benches whose tables are not as the others. */
const tables: Readonly<Partial<Record<BenchName, (rows: readonly BenchRow[]) => string>>> = {
  quantization: quantizationTable,
  speculation: speculationTable,
  serve: servingTables,
};

/** @param notes Markdown that a person wrote, or "" */
export function performancePage(results: readonly StoredResult[], plots: readonly Plot[], notes: string): string {
  const ordered = inOrder(results);
  const sections = (Object.keys(headings) as BenchName[]).flatMap((bench) => {
    const rows = ordered.flatMap((result) => result.rows.filter((row) => row.bench === bench));
    if (rows.length === 0) return [];
    const table = tables[bench]?.(rows) ?? tableOf(rows);
    return [[`## ${headings[bench]}`, introductions[bench], table].filter(Boolean).join("\n\n")];
  });
  const drawings = plots.map(({ name, title }) => `![${title}](${basename(plotFile(name))})`);
  return [
    "# Performance",
    "This page is written by `fathom bench report` from the results in `bench/results/`, which `fathom bench all --peer --save bench/results` stores; edit `bench/notes.md` for what the figures do not say.",
    "Every figure is a median, beside the floor of the machine (the best that its arithmetic and its memory allow, measured in the same run) and beside a peer that took turns with ours. Ratios are the better the larger: a share of the floor, and how many times better than the peer. Of a target *must* is the lower bound and *aim* what to go for. Only ratios of one run compare: the machine is shared, and its absolute speed changes.",
    runs(ordered),
    ...sections,
    ...(drawings.length === 0 ? [] : [`## Plots\n\n${drawings.join("\n\n")}`]),
    `## Gaps\n\n${gaps(ordered)}`,
    ...(notes.trim() === "" ? [] : [notes.trim()]),
  ]
    .join("\n\n")
    .concat("\n");
}

/** File of a plot, beside the page. */
export function plotFile(name: string): string {
  return `performance-${name}.svg`;
}

/** As `bench all` runs them, but with single threads last; others after. */
function inOrder(results: readonly StoredResult[]): readonly StoredResult[] {
  const commands = allRuns(2, true).map(({ words }) => words.join(" "));
  const place = ({ command }: StoredResult): number => {
    const at = commands.indexOf(command.replace(" --peer", ""));
    return at < 0 ? commands.length : at;
  };
  return results.toSorted((a, b) => place(a) - place(b));
}

function runs(results: readonly StoredResult[]): string {
  const whereOf = ({ machine, versions }: StoredResult): string => {
    const gibibytes = (machine.memoryBytes / 2 ** 30).toFixed(0);
    return `${machine.processor}, ${machine.threads} cores, ${gibibytes} GiB, ${machine.instructionSet}; fathom ${versions.fathom}, Node.js ${versions.node}`;
  };
  const places = [...new Set(results.map(whereOf))];
  const lines = results.map((result) => {
    const { command, date, floors, stolenShare } = result;
    const gigabytes = floors ? (floors.readBytes / 1e9).toFixed(1) : "";
    const peaks = floors ? [floors.f32Flops, floors.bf16Flops].map((peak) => (peak / 1e9).toFixed(0)).join(" / ") : "";
    const stolen = typeof stolenShare === "number" ? `${(100 * stolenShare).toFixed(1)} %` : "";
    const where = places.length > 1 ? [whereOf(result)] : [];
    return [`\`fathom bench ${command}\``, date.replace(/T(\d+:\d+).*$/, " $1"), peaks, gigabytes, stolen, ...where];
  });
  const head = ["run", "end, UTC", "f32 / bf16 peak, GFLOP/s", "memory read, GB/s", "stolen"];
  const table = markdown([[...head, ...(places.length > 1 ? ["machine"] : [])], ...lines]);
  return places.length > 1 ? table : `Machine: ${places[0] ?? ""}.\n\n${table}`;
}

function tableOf(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) => [
    row.case,
    String(row.threads),
    `${digits(row.figure)} ${row.unit}`,
    `${digits(row.floor)} ${row.unit}`,
    `${(100 * row.ratio).toFixed(0)} %`,
    ...peerCells(row),
    targetsOf(row).map(targetText).join("; "),
  ]);
  return figures(["case", "threads", "figure", "floor", "of the floor", "peer", "ratio", "target"], lines);
}

function peerCells({ peer, peerRatio, peerName = "", unit }: BenchRow): string[] {
  return [
    peer === undefined ? peerName : `${digits(peer)} ${unit} (${peerName})`,
    peerRatio === undefined ? "" : peerRatio.toFixed(2),
  ];
}

/** A table whose columns after the fifth are left out where they say nothing of any row. */
function figures(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const isShown = head.map((_, column) => column < 5 || lines.some((cells) => cells[column] !== ""));
  return markdown([head, ...lines].map((cells) => cells.filter((_, column) => isShown[column])));
}

function quantizationTable(rows: readonly BenchRow[]): string {
  const lines = rows.map(({ case: name, figure, floor, at = {} }) => [
    name,
    figure.toPrecision(5),
    signedPercent(figure / floor - 1),
    (at.klNats ?? 0).toPrecision(2),
    `${(100 * (at.sameChoice ?? 1)).toFixed(1)} %`,
    `${digits(at.weightMiB ?? 0)} MiB`,
  ]);
  const head = ["case", "perplexity", "against bf16", "KL, nats a token", "same likeliest token", "weights"];
  const tokens = rows[0]?.at?.tokens ?? 0;
  return `${digits(tokens)} tokens are predicted.\n\n${markdown([head, ...lines])}`;
}

function speculationTable(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) => {
    const { figure, ratio, at = {} } = row;
    const held = [1, 2, 3, 4].flatMap((position) => {
      const share = at[`accepted${position}`];
      return share === undefined ? [] : [percent(share)];
    });
    const { verifyCost = 1, draftCost = 0, timesPlain = 1, tokensPerPass = 1 } = at;
    const byBytes = (at.depth ?? 0) === 0 ? [] : [verifyCost, draftCost, timesPlain / ratio, ratio];
    return [
      ...[row.case, String(row.threads), tokensPerPass.toFixed(2), held.join(", ")],
      ...[`${digits(figure)} tokens/s`, timesPlain.toFixed(2)],
      ...[0, 1, 2, 3].map((i) => byBytes[i]?.toFixed(2) ?? ""),
      targetsOf(row).map(targetText).join("; "),
    ];
  });
  const head = [
    ...["case", "threads", "tokens a pass", "drafts that held, by position", "figure", "against none"],
    ...["verify", "draft", "by bytes", "share of that", "target"],
  ];
  return markdown([head, ...lines]);
}

/** Rows beside figures of the same run, then the loads that they come of. */
function servingTables(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) => [
    row.case,
    String(row.threads),
    `${digits(row.figure)} ${row.unit}`,
    `${digits(row.floor)} ${row.unit}${row.floorName === undefined ? "" : ` (${row.floorName})`}`,
    row.ratio.toFixed(2),
    ...peerCells(row),
    targetsOf(row).map(targetText).join("; "),
  ]);
  const table = figures(["case", "threads", "figure", "beside", "ratio", "peer", "times the peer", "target"], lines);
  const loads = rows.filter(({ at }) => at?.requestsPerSecond !== undefined);
  if (loads.length === 0) return table;
  const head = [
    ...["load", "requests", "failed", "first token, ms: median / p90 / p99", "next token, ms: median / p90 / p99"],
    ...["output tokens/s", "input tokens/s", "requests/s"],
  ];
  const numbers = loads.map(({ case: name, at = {} }) => {
    const of = (key: string): string => (at[key] === undefined ? "" : digits(at[key]));
    const quantiles = (key: string): string => ["Median", "P90", "P99"].map((part) => of(key + part)).join(" / ");
    const rates = [of("outputTokensPerSecond"), of("inputTokensPerSecond"), of("requestsPerSecond")];
    const shares =
      at.share429 === undefined ? "" : ` (${percent(at.share200 ?? 0)} answered, ${percent(at.share429)} sent away)`;
    const load = name.replace(/: [^:]*$/, "");
    return [load + shares, of("requests"), of("failed"), quantiles("firstMs"), quantiles("gapMs"), ...rates];
  });
  return `${table}\n\n${markdown([head, ...numbers])}`;
}

const states = { all: "reached", notAim: "aim not reached", below: "**below**" } as const;

function targetText(target: Target): string {
  const { must, aim, what } = target;
  const unit = what.startsWith("times ") ? "x" : what;
  const text = (bound: number): string => (isShare(target) ? percent(bound) : digits(bound));
  const bounds = [must === null ? "" : `must ${text(must)}`, aim === null ? "" : `aim ${text(aim)}`].filter(Boolean);
  return `${bounds.join(", ")} ${unit}: ${states[verdict(target)]}`;
}

function isShare({ what }: Target): boolean {
  return what.startsWith("of ");
}

/** Each bound that is not reached, with what the work takes at least and what it took. */
function gaps(results: readonly StoredResult[]): string {
  const found = results.flatMap(({ rows, floors }) =>
    rows.flatMap((row) => targetsOf(row).map((target) => ({ row, target, floors, verdict: verdict(target) }))),
  );
  const list = (wanted: "below" | "notAim"): string =>
    found
      .filter((one) => one.verdict === wanted)
      .map(
        ({ row, target, floors }) =>
          `- **${row.bench} ${row.case}** (${row.threads} ${row.threads === 1 ? "thread" : "threads"}): ${gapText(row, target, floors)}`,
      )
      .join("\n");
  const [below, notAim] = [list("below"), list("notAim")];
  return [
    below === "" ? "Every lower bound that has a figure is reached." : `Below what must be:\n\n${below}`,
    ...(notAim === "" ? [] : [`Aims that are not reached:\n\n${notAim}`]),
  ].join("\n\n");
}

function gapText(row: BenchRow, target: Target, floors: StoredResult["floors"]): string {
  const { what, value, must, aim } = target;
  const shown = (number: number): string => (isShare(target) ? percent(number) : digits(number));
  const isBelow = verdict(target) === "below";
  const wanted = isBelow ? `must be ${shown(must ?? 0)}` : `aim ${shown(aim ?? 0)}`;
  const { flops, bytes, per = "token", readBytes = floors?.readBytes } = row;
  const least: string[] = [];
  if (flops !== undefined && floors) {
    const peak =
      row.bench === "kernels" && / f32/.test(row.case) ? floors.f32Flops : Math.max(floors.f32Flops, floors.bf16Flops);
    least.push(`${count(flops)} operations, ${milliseconds(flops / peak)} at the peak`);
  }
  if (bytes !== undefined && readBytes !== undefined)
    least.push(`${count(bytes)} bytes, ${milliseconds(bytes / readBytes)} at ${(readBytes / 1e9).toFixed(1)} GB/s`);
  const seconds = secondsOf(row);
  const took = seconds === null ? "" : `; it took ${milliseconds(seconds)}`;
  const counts = least.length === 0 ? "" : ` A ${per} takes ${least.join(" and ")}${took}.`;
  return `${shown(value)} ${what}, ${wanted}.${counts}`;
}

/** Of one token, step or call; null where the row does not tell. */
function secondsOf({ unit, figure, flops, bytes }: BenchRow): number | null {
  switch (unit) {
    case "tokens/s":
    case "requests/s":
      return 1 / figure;
    case "GFLOP/s":
      return flops === undefined ? null : flops / figure / 1e9;
    case "GB/s":
      return bytes === undefined ? null : bytes / figure / 1e9;
    case "s":
      return figure;
    case "ms":
      return figure / 1000;
    case "MB/s":
    case "MiB":
    case "%":
    case "perplexity":
      return null;
    default:
      return unit satisfies never;
  }
}

function markdown([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

function signedPercent(change: number): string {
  const text = (100 * Math.abs(change)).toFixed(2);
  return Number(text) === 0 ? "0.00 %" : `${change > 0 ? "+" : "-"}${text} %`;
}

function milliseconds(seconds: number): string {
  return `${digits(1000 * seconds)} ms`;
}

/** Three digits, with thousands apart. */
function digits(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(3)).toString();
}

/** 213,400,000 as 213 M. */
function count(value: number): string {
  for (const [unit, size] of [
    ["T", 1e12],
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  }
  return String(Math.round(value));
}
