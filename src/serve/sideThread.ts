/**
 * A worker thread for work that must not hold up the others, one task after the other. A task that runs past its deadline is ended with its
 * thread, and the next one gets a new thread. Uncompiled sources do the work in this thread, without deadline (Node loads no TypeScript
 * into a worker).
 */
import { fileURLToPath } from "node:url";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** Made once in the thread from the data it starts with; answers each task. An answer that is a typed array is handed over, not copied. */
export type Answerer<Task, Answer> = (task: Task) => Answer;

export class DeadlineError extends Error {}

/**
 * A deadline is counted in as many ticks, and a tick that comes late counts once: when the machine is so busy that this thread stands still,
 * the other one may have stood still as well.
 */
const ticks = 10;

interface Waiting<Task, Answer> {
  readonly task: Task;
  readonly deadlineMs: number | null;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

type Message<Answer> = { readonly ready: true } | { readonly answer: Answer } | { readonly error: unknown };

export class SideThread<Data, Task, Answer> {
  readonly #file: URL;
  readonly #data: Data;
  readonly #memoryMb: number | null;
  readonly #local: Answerer<Task, Answer> | null;
  readonly #waiting: Waiting<Task, Answer>[] = [];
  #worker: Worker | null = null;
  #isReady = false;
  #isRunning = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param file URL of the compiled worker file, which calls `answerTasks(makeAnswerer)`
   * @param makeAnswerer makes the same answerer here, for uncompiled sources
   * @param memoryMb most memory of the thread's objects; null: Node's own limit
   */
  constructor(
    file: URL,
    makeAnswerer: (data: Data) => Answerer<Task, Answer>,
    data: Data,
    memoryMb: number | null = null,
  ) {
    this.#file = file;
    this.#data = data;
    this.#memoryMb = memoryMb;
    this.#local = fileURLToPath(import.meta.url).endsWith(".ts") ? makeAnswerer(data) : null;
    if (!this.#local) this.#start();
  }

  /**
   * @param deadlineMs counts from when the task's turn comes; longer on a machine that is overloaded
   * @throws what the task threw; DeadlineError; an error if the thread has died or is closed
   */
  run(task: Task, deadlineMs: number | null = null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) reject(new Error("the thread is closed"));
      else if (this.#local) resolve(this.#local(task));
      else {
        this.#waiting.push({ task, deadlineMs, resolve, reject });
        this.#next();
      }
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("the thread is closed"));
    await this.#stop();
  }

  #start(): void {
    const limits = this.#memoryMb === null ? {} : { resourceLimits: { maxOldGenerationSizeMb: this.#memoryMb } };
    const worker = new Worker(this.#file, { workerData: this.#data, ...limits });
    worker.unref();
    worker.on("message", (message: Message<Answer>) => {
      if (worker !== this.#worker) return;
      if ("ready" in message) {
        this.#isReady = true;
        this.#next();
        return;
      }
      const done = this.#finish();
      if ("error" in message) done?.reject(message.error);
      else done?.resolve(message.answer);
      this.#next();
    });
    // What ends the thread, its memory limit above all, fails the task at hand; the next one gets a new thread.
    const failed = (error: unknown): void => {
      if (worker !== this.#worker) return;
      void this.#stop();
      (this.#finish() ?? this.#waiting.shift())?.reject(error);
      this.#next();
    };
    worker.on("error", failed);
    worker.on("exit", (code) => failed(new Error(`a thread ended with code ${code} before its task`)));
    this.#worker = worker;
  }

  #next(): void {
    const next = this.#waiting[0];
    if (!next || this.#isRunning || this.#isClosed) return;
    if (!this.#worker) this.#start();
    this.#worker?.ref();
    if (!this.#isReady) return;
    this.#isRunning = true;
    this.#worker?.postMessage(next.task);
    if (next.deadlineMs === null) return;
    let left = ticks;
    this.#timer = setInterval(() => {
      if (--left > 0) return;
      void this.#stop();
      this.#finish()?.reject(new DeadlineError(`took more than ${next.deadlineMs} ms`));
      this.#next();
    }, next.deadlineMs / ticks);
  }

  /** The task that has had its turn. */
  #finish(): Waiting<Task, Answer> | undefined {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    if (!this.#isRunning) return undefined;
    this.#isRunning = false;
    this.#worker?.unref(); // an idle thread keeps no process alive
    return this.#waiting.shift();
  }

  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#isReady = false;
    await worker?.terminate();
  }
}

/** To be called by a worker file: answers tasks until the thread is ended. */
export function answerTasks<Data, Task, Answer>(makeAnswerer: (data: Data) => Answerer<Task, Answer>): void {
  if (parentPort === null) throw new Error("internal: answerTasks outside a worker thread");
  const port = parentPort;
  const answer = makeAnswerer(workerData as Data);
  port.on("message", (task: Task) => {
    try {
      const given = answer(task);
      port.postMessage({ answer: given }, given instanceof Int32Array ? [given.buffer as ArrayBuffer] : []);
    } catch (error) {
      port.postMessage({ error });
    }
  });
  port.postMessage({ ready: true });
}
