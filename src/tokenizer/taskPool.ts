/**
 * A few worker threads that answer tasks: `run` hands a task to the thread with the fewest waiting ones, or to a thread
 * that is named. With one thread the same work is done in this one, as it is when the sources run uncompiled
 * (Node loads no TypeScript into a worker); results never depend on it.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parentPort, type TransferListItem, Worker, workerData } from "node:worker_threads";

/** What a worker does: made once from the data it starts with, then called for each task. */
export type TaskRunner<Task, Answer> = (task: Task) => { answer: Answer; transfer?: readonly TransferListItem[] };

export class TaskPool<Data, Task, Answer> {
  /** Threads that work on tasks: 1 when all is done in this thread. */
  readonly size: number;
  readonly #workers: PoolWorker<Task, Answer>[] = [];
  readonly #local: TaskRunner<Task, Answer> | null = null;

  /**
   * @param worker URL of the compiled worker file, which calls `serveTasks(makeRunner)`
   * @param makeRunner makes the same runner here, for the case without workers
   * @throws RangeError unless threads is a positive integer
   */
  constructor(worker: URL, makeRunner: (data: Data) => TaskRunner<Task, Answer>, data: Data, threads: number) {
    checkThreads(threads);
    if (threads === 1 || fileURLToPath(import.meta.url).endsWith(".ts")) {
      this.size = 1;
      this.#local = makeRunner(data);
      return;
    }
    this.size = threads;
    for (let i = 0; i < threads; i++) this.#workers.push(new PoolWorker(worker, data));
  }

  /** Tasks not answered yet. */
  get numWaiting(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.numWaiting, 0);
  }

  /**
   * @param transfer buffers of the task that are handed over
   * @param thread index of the thread that must do it; null for the least busy one
   * @throws what the task threw, or an error when the thread has died
   */
  async run(task: Task, transfer: readonly TransferListItem[] = [], thread: number | null = null): Promise<Answer> {
    if (this.#local !== null) return this.#local(task).answer;
    const worker =
      thread === null ? this.#workers.reduce((a, b) => (b.numWaiting < a.numWaiting ? b : a)) : this.#workers[thread];
    if (worker === undefined) throw new RangeError(`internal: no thread ${thread} in a pool of ${this.size}`);
    return worker.run(task, transfer);
  }

  /** Ends the threads; tasks that still wait fail. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}

/** To be called by a worker file: answers tasks until the pool is closed. */
export function serveTasks<Data, Task, Answer>(makeRunner: (data: Data) => TaskRunner<Task, Answer>): void {
  if (parentPort === null) throw new Error("internal: serveTasks outside a worker thread");
  const port = parentPort;
  const run = makeRunner(workerData as Data);
  port.on("message", (task: Task) => {
    try {
      const { answer, transfer } = run(task);
      port.postMessage({ answer }, transfer ?? []);
    } catch (error) {
      port.postMessage({ error });
    }
  });
}

/** @throws RangeError unless threads is a positive integer */
export function checkThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(
      `threads must be a positive integer, got ${threads} (this machine runs ${availableParallelism()} at once)`,
    );
  }
}

type Message<Answer> = { readonly answer: Answer } | { readonly error: unknown };

/** One thread, started by its first task; it answers in the order in which it was asked. */
class PoolWorker<Task, Answer> {
  readonly #start: () => Worker;
  #worker: Worker | null = null;
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  #failure: unknown = null;

  constructor(file: URL, data: unknown) {
    this.#start = () => {
      const worker = new Worker(file, { workerData: data });
      worker.on("message", (message: Message<Answer>) => {
        const task = this.#waiting.shift()!;
        if (this.#waiting.length === 0) worker.unref(); // an idle thread keeps no process alive
        if ("error" in message) task.reject(message.error);
        else task.resolve(message.answer);
      });
      worker.on("error", (error) => this.#fail(error));
      worker.on("exit", (code) => this.#fail(new Error(`a worker thread ended with code ${code} before its task`)));
      return worker;
    };
  }

  get numWaiting(): number {
    return this.#waiting.length;
  }

  run(task: Task, transfer: readonly TransferListItem[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#worker.postMessage(task, transfer);
    });
  }

  async close(): Promise<void> {
    this.#failure ??= new Error("the pool of worker threads is closed");
    await this.#worker?.terminate();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const task of this.#waiting.splice(0)) task.reject(this.#failure);
  }
}
