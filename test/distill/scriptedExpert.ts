/** An expert that answers what a test tells it to, in whatever order, and fails where it is told to. */
import { setTimeout as wait } from "node:timers/promises";
import type { Answered, Expert, Question } from "../../src/posttrain/ask/expert.js";

export interface Script {
  readonly write: (question: Question) => string;
  /** Milliseconds before the answer of the n-th question asked, from 0. */
  readonly delay?: (n: number) => number;
  /** Ends the script before the n-th question, as a kill would; from 0. */
  readonly failAt?: number;
}

export class ScriptedExpert implements Expert {
  readonly name = "scripted";
  readonly atOnce: number;
  readonly asked: Question[] = [];
  running = 0;
  mostRunning = 0;
  readonly #script: Script;

  constructor(script: Script, atOnce = 4) {
    this.#script = script;
    this.atOnce = atOnce;
  }

  async ask(question: Question, signal: AbortSignal): Promise<Answered> {
    const n = this.asked.length;
    this.asked.push(question);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const { delay, failAt, write } = this.#script;
      await wait(delay?.(n) ?? 0, undefined, { signal });
      if (n === failAt) throw new RangeError(`${question.name}: the script ends`);
      const completion = write(question);
      return { completion, finish_reason: "stop", token_count: completion.length };
    } finally {
      this.running--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
