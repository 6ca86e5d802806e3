/** Worker thread that encodes long texts. */
import { textEncoder } from "./encodeText.js";
import { answerTasks } from "./sideThread.js";

answerTasks(textEncoder);
