import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { builtInGroups, builtInTasks } from "../tasks/index.js";
import { Registry } from "./registry.js";
import { compileTask } from "./task.js";

const open = (): Registry => new Registry(builtInTasks, builtInGroups);
const names = (registry: Registry, ...wanted: string[]): string[] =>
  registry.select(wanted).tasks.map(({ task }) => task);

test("every built-in task compiles, and has a name of its own", () => {
  for (const file of builtInTasks) expect(compileTask(file).name).toBe(file.task);
  const all = [...builtInTasks.map(({ task }) => task), ...builtInGroups.map(({ group }) => group)];
  expect(new Set(all).size).toBe(all.length);
});

test("every group's members exist", () => {
  expect(open().select(builtInGroups.map(({ group }) => group)).tasks.length).toBeGreaterThan(0);
});

test("a group stands for its tasks, which are run once", () => {
  const { tasks, groups } = open().select(["mmlu_virology", "mmlu", "mmlu_other"]);
  expect(tasks.length).toBe(57);
  expect(tasks[0]?.task).toBe("mmlu_virology");
  expect(groups.map(({ group }) => group.group)).toEqual([
    "mmlu",
    "mmlu_stem",
    "mmlu_humanities",
    "mmlu_social_sciences",
    "mmlu_other",
  ]);
  expect(groups.map((each) => each.tasks.length)).toEqual([57, 19, 13, 12, 13]);
  expect(groups[4]?.members).toContain("mmlu_virology");
});

test("patterns and tags stand for what they match", () => {
  expect(names(open(), "arc_*_letters")).toEqual(["arc_easy_letters", "arc_challenge_letters"]);
  expect(names(open(), "mmlu_other_tasks").length).toBe(13);
  expect(() => open().select(["arc"])).toThrow('no task, group or tag "arc"; there are arc_easy,');
  expect(() => open().select(["nothing*"])).toThrow('no task, group or tag "nothing*" (--list');
});

test("tasks of files stand before built-in ones of their name", () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-registry-"));
  const text = (name: string): string =>
    `task: ${name}\ndataset_path: a/b\ndoc_to_text: q\ndoc_to_target: a\noutput_type: generate_until\n`;
  mkdirSync(join(folder, "more"));
  writeFileSync(join(folder, "arc.yaml"), text("arc_easy"));
  writeFileSync(join(folder, "_base.yaml"), "nothing: here\n");
  writeFileSync(join(folder, "more", "own.yml"), text("own"));
  writeFileSync(join(folder, "group.json"), '{"group": "mine", "task": ["own", "arc_*", "mine_too"]}');
  writeFileSync(join(folder, "group2.json"), '{"group": "mine_too", "task": ["mine"]}');
  const registry = open();
  expect(registry.include(folder)).toEqual(["arc_easy", "mine", "mine_too", "own"]);
  expect(registry.select(["arc_easy"]).tasks[0]?.dataset?.path).toBe("a/b");
  expect(() => registry.select(["mine"])).toThrow("group mine is a part of itself: mine > mine_too > mine");
  expect(names(open(), join(folder, "arc.yaml"))).toEqual(["arc_easy"]);
  writeFileSync(join(folder, "more", "other.yml"), text("own"));
  expect(() => open().include(folder)).toThrow("the name own is that of");
  expect(() => open().include(join(folder, "none"))).toThrow("no such file or folder of tasks");
  rmSync(folder, { recursive: true });
});
