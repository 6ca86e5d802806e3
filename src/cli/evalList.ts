/** `fathom eval --list`: what can be evaluated. */
import type { TaskFile, TaskGroup } from "../eval/taskFile.js";
import type { Outcome } from "./output.js";

interface Flags {
  readonly tasks?: string;
  readonly includePath?: readonly string[];
}

export async function list(flags: Flags): Promise<Outcome> {
  const { Registry } = await import("../eval/harness/registry.js");
  const { markdown } = await import("../eval/harness/resultTable.js");
  const { defaultMetrics } = await import("../eval/harness/metrics.js");
  const { builtInGroups, builtInTasks } = await import("../eval/tasks/index.js");
  const registry = new Registry(builtInTasks, builtInGroups);
  for (const path of flags.includePath ?? []) registry.include(path);
  const selected = flags.tasks === undefined ? null : registry.select(flags.tasks.split(","));
  const tasks = selected?.tasks ?? registry.tasks;
  const groups = selected?.groups.map(({ group }) => group) ?? registry.groups;
  const published = ({ published: known }: TaskFile | TaskGroup): string =>
    known ? `${known.metric} ${known.value} (${known.table})` : "";
  const metrics = (task: TaskFile): string =>
    (task.metricList ?? defaultMetrics[task.outputType]).map(({ metric }) => metric).join(", ");
  const dataset = ({ dataset: ref }: TaskFile): string =>
    ref === null ? "its own" : ref.name === null ? ref.path : `${ref.path} ${ref.name}`;
  // Of all there are, parts of groups are left out, but for what was published by itself.
  const all = selected ? [] : registry.select(groups.map(({ group }) => group)).groups;
  const below = new Set(all.flatMap(({ members }) => members));
  const isShown = (one: TaskFile | TaskGroup, name: string): boolean => one.published !== undefined || !below.has(name);
  const shownGroups = groups.filter((group) => isShown(group, group.group));
  const shownTasks = tasks.filter((task) => isShown(task, task.task));
  const rows = [
    ...shownGroups.map((group) => {
      const parts = registry.select([group.group]).tasks;
      const each = (of: (task: TaskFile) => string): string => sharedBy(parts.map(of));
      return [
        group.group,
        each((task) => String(task.numFewshot ?? 0)),
        each(metrics),
        each((task) => (task.needs ?? []).join(", ")),
        `${each(({ dataset: ref }) => ref?.path ?? "its own")}, ${parts.length} ${parts.length === 1 ? "task" : "tasks"}`,
        published(group),
        group.about ?? each(({ format }) => format),
      ];
    }),
    ...shownTasks.map((task) => [
      task.task,
      String(task.numFewshot ?? 0),
      metrics(task),
      (task.needs ?? []).join(", "),
      dataset(task),
      published(task),
      task.about === undefined ? task.format : `${task.format}: ${task.about}`,
    ]),
  ];
  const header = ["Task", "Shots", "Metrics", "Needs", "Data set", "DeepSeek-V3", "Format"];
  const result = {
    groups: groups.map(({ group, task, published: known }) => ({ group, tasks: task, published: known ?? null })),
    tasks: tasks.map((task) => ({
      task: task.task,
      shots: task.numFewshot ?? 0,
      outputType: task.outputType,
      metrics: (task.metricList ?? defaultMetrics[task.outputType]).map(({ metric }) => metric),
      needs: task.needs ?? [],
      dataset: task.dataset,
      published: task.published ?? null,
      format: task.format,
    })),
  };
  const hidden = tasks.length + groups.length - shownTasks.length - shownGroups.length;
  const more = hidden === 0 ? "" : `\n${hidden} parts of groups are not shown: --list --tasks GROUP, or '*' for all`;
  return { result, text: markdown(header, rows) + more };
}

/** What parts have in common, or that they have several. */
function sharedBy(values: readonly string[]): string {
  const different = [...new Set(values.flatMap((value) => value.split(", ")))].filter((value) => value !== "");
  return different.length <= 2 ? different.join(", ") : "several";
}
