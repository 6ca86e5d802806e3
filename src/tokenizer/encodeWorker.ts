/** Worker thread of `EncodePool`. */
import { encodeTexts } from "./encodeTasks.js";
import { serveTasks } from "./taskPool.js";

serveTasks(encodeTexts);
