/** The thread of an engine: opens the model that it is started with, then answers calls. */
import { parentPort, workerData } from "node:worker_threads";
import { type EngineCall, type EngineMessage, refusalOf } from "./engineProtocol.js";
import { hostCheckpoint, type WorkerData } from "./hostCheckpoint.js";

const port = parentPort;
if (!port) throw new Error("internal: the engine's thread was not started as one");
const post = (message: EngineMessage): void => port.postMessage(message);
try {
  const host = hostCheckpoint(workerData as WorkerData, post);
  port.on("message", (call: EngineCall) => host.handle(call));
} catch (error) {
  post({ type: "failed", error: refusalOf(error) });
}
