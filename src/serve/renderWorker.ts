/** Worker thread that renders chat templates. */
import { templateRenderer } from "./renderChat.js";
import { answerTasks } from "./sideThread.js";

answerTasks(templateRenderer);
