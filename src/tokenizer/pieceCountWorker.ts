/** Worker thread of `trainTokenizer`: counts the pieces of the texts it is sent, and hands the table over when asked. */
import { countPieces } from "./pieceCounts.js";
import { serveTasks } from "./taskPool.js";

serveTasks(countPieces);
