/** All tasks that come with the program, and the groups they form. A new benchmark is a module here and two lines below. */
import type { TaskFile, TaskGroup } from "../taskFile.js";
import { arcTasks } from "./arc.js";
import { gsm8kTasks } from "./gsm8k.js";
import { hellaswagTasks } from "./hellaswag.js";
import { mmluGroups, mmluTasks } from "./mmlu.js";
import { mmluProGroups, mmluProTasks } from "./mmluPro.js";
import { mmluReduxGroups, mmluReduxTasks } from "./mmluRedux.js";
import { mmmluGroups, mmmluTasks } from "./mmmlu.js";
import { pileTasks } from "./pile.js";
import { piqaTasks } from "./piqa.js";
import { raceTasks } from "./race.js";
import { winograndeTask } from "./winogrande.js";

export const builtInTasks: readonly TaskFile[] = [
  ...[...pileTasks, ...mmluTasks, ...mmluReduxTasks, ...mmluProTasks, ...mmmluTasks],
  ...[...arcTasks, ...hellaswagTasks, ...piqaTasks, winograndeTask, ...raceTasks],
  ...gsm8kTasks,
];

export const builtInGroups: readonly TaskGroup[] = [
  ...mmluGroups,
  ...mmluReduxGroups,
  ...mmluProGroups,
  ...mmmluGroups,
];
