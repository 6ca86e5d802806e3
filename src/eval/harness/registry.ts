/** Tasks, groups and tags by name: those that come with the program, those of --include-path, and files given by their path. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TaskFile, TaskGroup } from "../taskFile.js";
import { readTaskFile } from "./readTaskFile.js";

/** A group with what it stands for. */
export interface SelectedGroup {
  readonly group: TaskGroup;
  /** Groups and tasks right below it. */
  readonly members: readonly string[];
  /** All tasks below it, each once. */
  readonly tasks: readonly string[];
}

export interface Selection {
  /** Each once, in the order of the names and of the groups. */
  readonly tasks: readonly TaskFile[];
  /** Outer ones first. */
  readonly groups: readonly SelectedGroup[];
}

export class Registry {
  readonly #tasks = new Map<string, TaskFile>();
  readonly #groups = new Map<string, TaskGroup>();
  readonly #fromFiles = new Map<string, string>();

  constructor(tasks: readonly TaskFile[], groups: readonly TaskGroup[]) {
    for (const task of tasks) this.#tasks.set(task.task, task);
    for (const group of groups) this.#groups.set(group.group, group);
  }

  get tasks(): readonly TaskFile[] {
    return [...this.#tasks.values()];
  }

  get groups(): readonly TaskGroup[] {
    return [...this.#groups.values()];
  }

  /**
   * Takes up the task files of a folder and those below, or one file; they stand before tasks of the same name that come with the program.
   * @returns their names
   * @throws RangeError for a path that is not there, a file that is no task, or two with one name
   */
  include(path: string): string[] {
    if (!existsSync(path)) throw new RangeError(`${path}: no such file or folder of tasks`);
    if (!statSync(path).isDirectory()) return [this.#includeFile(path)];
    const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    return entries.flatMap((entry) => {
      const file = join(path, entry.name);
      if (entry.isDirectory()) return this.include(file);
      // Files that others include begin with "_", as is usual for them.
      return isTaskFile(entry.name) && !entry.name.startsWith("_") ? [this.#includeFile(file)] : [];
    });
  }

  /**
   * @param names tasks, groups, tags, patterns with `*`, or paths of files
   * @throws RangeError for a name that stands for nothing, with names that are like it
   */
  select(names: readonly string[]): Selection {
    const tasks = new Map<string, TaskFile>();
    const groups = new Map<string, SelectedGroup>();
    for (const name of names) {
      const isPath = isTaskFile(name) || name.includes("/");
      for (const each of isPath ? this.include(name) : this.#expand(name)) this.#add(each, tasks, groups, []);
    }
    return { tasks: [...tasks.values()], groups: [...groups.values()] };
  }

  #includeFile(path: string): string {
    const read = readTaskFile(path);
    const name = read.kind === "task" ? read.task.task : read.group.group;
    const before = this.#fromFiles.get(name);
    if (before !== undefined && before !== path) {
      throw new RangeError(`${path}: the name ${name} is that of ${before} already`);
    }
    this.#fromFiles.set(name, path);
    this.#tasks.delete(name);
    this.#groups.delete(name);
    if (read.kind === "task") this.#tasks.set(name, read.task);
    else this.#groups.set(name, read.group);
    return name;
  }

  /** Names of tasks and groups that a name stands for. */
  #expand(name: string): readonly string[] {
    if (this.#tasks.has(name) || this.#groups.has(name)) return [name];
    const tagged = [...this.#tasks.values(), ...this.#groups.values()].filter(({ tag }) => tag?.includes(name));
    if (tagged.length > 0) return tagged.map(nameOf);
    const known = [...this.#groups.keys(), ...this.#tasks.keys()];
    if (name.includes("*")) {
      const pattern = new RegExp(`^${name.replace(/[\\^$.+?()[\]{}|/]/g, "\\$&").replaceAll("*", ".*")}$`, "u");
      const found = known.filter((each) => pattern.test(each));
      if (found.length > 0) return found;
    }
    const like = known.filter((each) => each.includes(name) || name.includes(each)).slice(0, 8);
    const hint = like.length > 0 ? `; there are ${like.join(", ")}` : "";
    throw new RangeError(`no task, group or tag ${JSON.stringify(name)}${hint} (--list shows all)`);
  }

  /** @returns the tasks below */
  #add(
    name: string,
    tasks: Map<string, TaskFile>,
    groups: Map<string, SelectedGroup>,
    above: readonly string[],
  ): readonly string[] {
    const group = this.#groups.get(name);
    if (!group) {
      const task = this.#tasks.get(name);
      if (!task) throw new Error(`internal: no task ${name}`);
      if (!tasks.has(name)) tasks.set(name, task);
      return [name];
    }
    if (above.includes(name))
      throw new RangeError(`group ${name} is a part of itself: ${[...above, name].join(" > ")}`);
    const known = groups.get(name);
    if (known && known.tasks.length > 0) return known.tasks;
    const members = group.task.flatMap((each) => this.#expand(each));
    // Its place is before those of its members.
    groups.set(name, { group, members, tasks: [] });
    const below = members.flatMap((each) => this.#add(each, tasks, groups, [...above, name]));
    const unique = [...new Set(below)];
    groups.set(name, { group, members, tasks: unique });
    return unique;
  }
}

function nameOf(task: TaskFile | TaskGroup): string {
  return "group" in task ? task.group : task.task;
}

function isTaskFile(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name);
}
