/** Figures as a Markdown table in lm-eval's columns, with the published figure of DeepSeek-V3 and the prompt's format beside them. */
import type { PublishedScore } from "../taskFile.js";
import type { Figure, GroupOutcome, TaskOutcome } from "./evaluate.js";

export function resultTable(tasks: readonly TaskOutcome[], groups: readonly GroupOutcome[]): string {
  const rows = [
    ...groups.flatMap(({ group, figures }) =>
      figureRows(
        group.groupAlias ?? group.group,
        String(group.metadata?.version ?? ""),
        "",
        figures,
        group.published,
        "",
      ),
    ),
    ...tasks.flatMap((outcome) => {
      const { task, figures } = outcome;
      const { file } = task;
      const shots = String(task.numFewshot);
      return [
        ...figureRows(
          file.taskAlias ?? task.name,
          String(file.metadata.version),
          shots,
          figures,
          file.published,
          file.format,
        ),
        ...healthRows(outcome),
      ];
    }),
  ];
  return markdown(
    ["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr", "Published", "Format"],
    rows,
  );
}

/** A table with all columns as wide as their widest cell; numbers to the right. */
export function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = header.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const isNumber = header.map((_, column) => rows.every((row) => /^[-+\d.,% ]*$/.test(row[column] ?? "")));
  const line = (row: readonly string[]): string =>
    `|${row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("|")}|`;
  const rule = `|${widths.map((width, i) => (isNumber[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join("|")}|`;
  const [first = [], ...others] = all;
  return [line(first), rule, ...others.map(line)].join("\n");
}

/** A published figure as a share, as ours are; bits stay bits. */
export function comparable({ metric, value }: PublishedScore): number {
  return metric === "BPB" ? value : value / 100;
}

export function shown(value: number): string {
  return Number.isFinite(value) ? value.toFixed(4) : String(value);
}

/** Task, version and shots stand in the first of its rows alone. */
function figureRows(
  name: string,
  version: string,
  shots: string,
  figures: readonly Figure[],
  published: PublishedScore | undefined,
  format: string,
): string[][] {
  return figures.map(({ metric, filter, value, error, higherIsBetter }, i) => {
    const isFirst = i === 0;
    const isPublished = published?.key === `${metric},${filter}`;
    return [
      ...[isFirst ? name : "", isFirst ? version : "", filter, isFirst ? shots : "", metric],
      ...[higherIsBetter ? "↑" : "↓", shown(value), "±", error === null ? "N/A" : shown(error)],
      ...[isPublished && published ? shown(comparable(published)) : "", isFirst ? format : ""],
    ];
  });
}

/** Only what makes the figures above worth less. */
function healthRows({ health, task }: TaskOutcome): string[][] {
  const row = (filter: string, metric: string, share: number | null): string[][] =>
    share === null || share === 0 ? [] : [["", "", filter, "", metric, "↓", shown(share), "", "", "", ""]];
  return [
    ...task.pipelines.flatMap(({ name }) => row(name, "invalid", health.invalid[name] ?? null)),
    ...row("", "truncated", health.truncated),
    ...row("", "prompt cut", health.cut),
  ];
}
