/** Worker thread of the load client: runs jobs side by side until the thread is ended. */
import { parentPort } from "node:worker_threads";
import { type LoadAnswer, type LoadMessage, runJob } from "./loadClient.js";

const port = parentPort;
if (port === null) throw new Error("internal: loadWorker outside a worker thread");
const stops = new Map<number, AbortController>();
port.on("message", (message: LoadMessage) => {
  const { id } = message;
  if ("stop" in message) {
    stops.get(id)?.abort();
    return;
  }
  const stop = new AbortController();
  stops.set(id, stop);
  const tell = (answer: LoadAnswer): void => {
    stops.delete(id);
    port.postMessage(answer);
  };
  runJob(message.job, stop.signal).then(
    (answer) => tell({ id, answer }),
    (error: unknown) => tell({ id, error }),
  );
});
