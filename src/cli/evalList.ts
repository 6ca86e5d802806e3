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
  const rows = [
    ...groups.map((group) => [
      group.group,
      "",
      "",
      "",
      `${group.task.length} parts`,
      published(group),
      group.about ?? "group",
    ]),
    ...tasks.map((task) => [
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
  return { result, text: markdown(header, rows) };
}
