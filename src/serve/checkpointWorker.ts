/** Worker thread that checks a checkpoint. */
import { checkpointChecker } from "./checkpointCheck.js";
import { answerTasks } from "./sideThread.js";

answerTasks(checkpointChecker);
