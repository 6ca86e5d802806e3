/**
 * The report of a distillation as one HTML page: what became of prompts and answers, and why; how long answers were before and after; samples of
 * what was kept and of what was not. It is given plain figures and texts, whoever counted them.
 */
import { escapeHtml } from "./chart.js";
import { factsTable, page } from "./page.js";

/** Named counts, in order. */
export type Counts = Readonly<Record<string, number>>;

export interface Lengths {
  readonly min: number;
  readonly median: number;
  readonly mean: number;
  readonly p90: number;
  readonly max: number;
}

export interface DomainFigures {
  readonly domain: string;
  readonly prompts: number;
  readonly answers: number;
  /** Mean of the prompts' pass rates; null: nothing was scored. */
  readonly passRate: number | null;
  /** Prompts by pass rate: 0, to 1/4, to 1/2, to 3/4, below 1, 1. */
  readonly passRates: readonly number[];
  readonly keptPrompts: number;
  readonly keptRecords: number;
  readonly droppedPrompts: Counts;
  readonly droppedAnswers: Counts;
  readonly before: Lengths;
  readonly after: Lengths;
}

/** An answer to look at. */
export interface AnswerSample {
  /** Why it was left out; null: it was kept. */
  readonly reason: string | null;
  readonly prompt: string;
  readonly answer: string;
  readonly facts: string;
}

export interface DroppedSample {
  readonly reason: string;
  readonly prompt: string;
  /** What it met, or repeats. */
  readonly because: string;
}

export interface DistillationPage {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly droppedPrompts: Counts;
  readonly droppedSamples: readonly DroppedSample[];
  readonly domains: readonly DomainFigures[];
  readonly samples: readonly AnswerSample[];
}

const passRateNames = ["0", "to 1/4", "to 1/2", "to 3/4", "below 1", "1"];

export function renderDistillation(input: DistillationPage): string {
  const { title, facts, domains, droppedPrompts, droppedSamples, samples } = input;
  const kept = samples.filter(({ reason }) => reason === null);
  const left = samples.filter(({ reason }) => reason !== null);
  return page(title, [
    keyNumbers(domains),
    factsTable(facts),
    domains.length === 0 ? "" : `<h2>Answers</h2>${overview(domains)}`,
    domains.length === 0
      ? ""
      : `<h3>Prompts by how often they were answered rightly</h3>
<p>Nothing is learned from a prompt that nobody answers; its own answer may be wrong.</p>${passRateTable(domains)}`,
    domains.length === 0
      ? ""
      : `<h3>Length in tokens</h3><p>Of all answers, and of those kept.</p>${lengthTable(domains)}`,
    ...domains.map(reasons),
    countsTable("Prompts left out", droppedPrompts),
    droppedSamples.map(droppedHtml).join("\n"),
    kept.length === 0 ? "" : `<h2>Kept</h2>${kept.map(sampleHtml).join("\n")}`,
    left.length === 0 ? "" : `<h2>Left out</h2>${left.map(sampleHtml).join("\n")}`,
  ]);
}

function keyNumbers(domains: readonly DomainFigures[]): string {
  if (domains.length === 0) return "";
  const sum = (value: (each: DomainFigures) => number): number => domains.reduce((all, each) => all + value(each), 0);
  const rated = domains.filter(({ passRate }) => passRate !== null);
  const numPrompts = rated.reduce((all, { passRates }) => all + total(passRates), 0);
  const rate = rated.reduce((all, { passRate, passRates }) => all + (passRate ?? 0) * total(passRates), 0) / numPrompts;
  const numbers: readonly (readonly [string, string])[] = [
    ["records kept", whole(sum(({ keptRecords }) => keptRecords))],
    ["prompts kept", whole(sum(({ keptPrompts }) => keptPrompts))],
    ["answers", whole(sum(({ answers }) => answers))],
    ...(numPrompts === 0 ? [] : [["mean pass rate", percent(rate)] as const]),
  ];
  const cells = numbers.map(
    ([name, value], i) =>
      `<div${i === 0 ? ' class="main"' : ""}><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl class="numbers">${cells.join("")}</dl>`;
}

function overview(domains: readonly DomainFigures[]): string {
  const head = ["domain", "prompts", "answers", "pass rate", "prompts kept", "records"];
  return figures(
    head,
    domains.map((each) => [
      each.domain,
      whole(each.prompts),
      whole(each.answers),
      each.passRate === null ? "not scored" : percent(each.passRate),
      whole(each.keptPrompts),
      whole(each.keptRecords),
    ]),
  );
}

function passRateTable(domains: readonly DomainFigures[]): string {
  return figures(
    ["pass rate", ...passRateNames],
    domains.map(({ domain, passRates }) => [domain, ...passRates.map(whole)]),
  );
}

function lengthTable(domains: readonly DomainFigures[]): string {
  const row = (name: string, { min, median, mean, p90, max }: Lengths): string[] => [
    name,
    whole(min),
    whole(median),
    mean.toFixed(1),
    whole(p90),
    whole(max),
  ];
  return figures(
    ["", "least", "median", "mean", "90 % up to", "most"],
    domains.flatMap(({ domain, before, after }) => [row(`${domain}, all`, before), row(`${domain}, kept`, after)]),
  );
}

function reasons({ domain, droppedAnswers, droppedPrompts }: DomainFigures): string {
  return (
    countsTable(`Answers left out: ${domain}`, droppedAnswers) +
    countsTable(`Prompts without a record: ${domain}`, droppedPrompts)
  );
}

function countsTable(title: string, counts: Counts): string {
  const rows = Object.entries(counts).map(([reason, count]): [string, string] => [reason, whole(count)]);
  return rows.length === 0 ? "" : `<h3>${escapeHtml(title)}</h3>${figures(["reason", "count"], rows)}`;
}

function droppedHtml({ reason, prompt, because }: DroppedSample): string {
  return `<article><h4>${escapeHtml(`${reason}: ${because}`)}</h4><pre>${escapeHtml(prompt)}</pre></article>`;
}

function sampleHtml({ reason, prompt, answer, facts }: AnswerSample): string {
  const title = reason === null ? facts : `${reason}; ${facts}`;
  return `<article><h4>${escapeHtml(title)}</h4><pre><span class="given">${escapeHtml(prompt)}</span>\n\n${escapeHtml(answer)}</pre></article>`;
}

function figures(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map(
    ([name = "", ...values]) =>
      `<tr><th scope="row">${escapeHtml(name)}</th>${values.map((value) => `<td>${escapeHtml(value)}</td>`).join("")}</tr>`,
  );
  return `<div class="wide"><table class="facts figures"><thead><tr>${head
    .map((name) => `<th scope="col">${escapeHtml(name)}</th>`)
    .join("")}</tr></thead><tbody>${cells.join("")}</tbody></table></div>`;
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
