/** All tasks that come with the program, and the groups they form. A new benchmark is a module here and two lines below. */
import type { TaskFile, TaskGroup } from "../taskFile.js";
import { arcTasks } from "./arc.js";
import { gsm8kTasks } from "./gsm8k.js";
import { hellaswagTasks } from "./hellaswag.js";
import { mmluGroups, mmluTasks } from "./mmlu.js";

export const builtInTasks: readonly TaskFile[] = [...arcTasks, ...hellaswagTasks, ...gsm8kTasks, ...mmluTasks];

export const builtInGroups: readonly TaskGroup[] = [...mmluGroups];
