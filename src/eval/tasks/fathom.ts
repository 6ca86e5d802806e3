/**
 * `fathom`: a quick look at a model of this program, in one or two minutes for a small one and without any data set: bits per byte of the
 * text that its run held out, the held-out problems, gaps in that text, and a needle in it. Between checkpoints of a run the figures compare;
 * with other models those alone that do not depend on the run's own text (`problems`). Of each task 100 documents at most are taken.
 */
import type { TaskGroup } from "../taskFile.js";

export const fathomGroup: TaskGroup = {
  group: "fathom",
  task: ["bits_per_byte", "problems", "fim", "needle"],
  limit: 100,
  metadata: { version: 1 },
  about: "a quick look at a model of this program",
};
