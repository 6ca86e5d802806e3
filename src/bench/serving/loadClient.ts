/**
 * Load generation in a thread of its own, so that neither the thread that measures nor its garbage collection holds up a clock. All jobs of a
 * client share that thread, and so one clock: times of their records compare. Uncompiled sources do the work in this thread (Node loads no
 * TypeScript into a worker).
 */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { LoadTarget, RequestRecord } from "./completionRequest.js";
import { generateLoad, type HealthLook, watchHealth } from "./loadGenerator.js";
import type { LoadPlan } from "./loadPlan.js";

export type LoadJob =
  | { readonly kind: "load"; readonly target: LoadTarget; readonly plan: LoadPlan }
  | { readonly kind: "health"; readonly target: LoadTarget; readonly everyMs: number };

/** To the thread: a job under a number, or the wish that it ends. */
export type LoadMessage = { readonly id: number; readonly job: LoadJob } | { readonly id: number; readonly stop: true };

export type LoadAnswer =
  | { readonly id: number; readonly answer: readonly RequestRecord[] | readonly HealthLook[] }
  | { readonly id: number; readonly error: unknown };

export function runJob(job: LoadJob, stop: AbortSignal): Promise<RequestRecord[] | HealthLook[]> {
  switch (job.kind) {
    case "load":
      return generateLoad(job.target, job.plan, stop);
    case "health":
      return watchHealth(job.target, job.everyMs, stop);
    default:
      return job satisfies never;
  }
}

interface Waiting {
  readonly resolve: (answer: readonly RequestRecord[] | readonly HealthLook[]) => void;
  readonly reject: (error: unknown) => void;
}

export class LoadClient {
  readonly target: LoadTarget;
  readonly #worker: Worker | null;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(target: LoadTarget) {
    this.target = target;
    const isCompiled = fileURLToPath(import.meta.url).endsWith(".js");
    this.#worker = isCompiled ? new Worker(new URL("./loadWorker.js", import.meta.url)) : null;
    this.#worker?.on("message", (message: LoadAnswer) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ("error" in message) waiting?.reject(message.error);
      else waiting?.resolve(message.answer);
    });
    const failed = (error: unknown): void => {
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#worker?.on("error", failed);
    this.#worker?.on("exit", (code) => failed(new Error(`internal: the load generator ended with code ${code}`)));
  }

  /** As `generateLoad`. */
  load(plan: LoadPlan, stop: AbortSignal = new AbortController().signal): Promise<readonly RequestRecord[]> {
    return this.#run({ kind: "load", target: this.target, plan }, stop) as Promise<readonly RequestRecord[]>;
  }

  /** As `watchHealth`. */
  health(everyMs: number, stop: AbortSignal): Promise<readonly HealthLook[]> {
    return this.#run({ kind: "health", target: this.target, everyMs }, stop) as Promise<readonly HealthLook[]>;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #run(job: LoadJob, stop: AbortSignal): Promise<readonly RequestRecord[] | readonly HealthLook[]> {
    const worker = this.#worker;
    if (!worker) return runJob(job, stop);
    const id = this.#next++;
    const send = (message: LoadMessage): void => worker.postMessage(message);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      send({ id, job });
      stop.addEventListener("abort", () => send({ id, stop: true }));
      if (stop.aborted) send({ id, stop: true });
    });
  }
}
