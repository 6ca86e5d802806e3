/**
 * Adds records to a log in an order that is known beforehand, though they are finished in any: the file's bytes then depend neither on timing
 * nor on where a run was killed. What is finished before its turn is kept at once in a journal beside the log, and moves over when its turn comes.
 */
import { rmSync } from "node:fs";
import { JsonLog, readLog } from "./jsonLog.js";

type Identified = { readonly id: string };

export class OrderedLog<T extends Identified> implements Disposable {
  readonly #log: JsonLog;
  readonly #journalPath: string;
  readonly #journal: JsonLog;
  readonly #order: readonly string[];
  readonly #ahead: Map<string, object>;
  #next = 0;

  private constructor(path: string, journalPath: string, order: readonly string[], ahead: Map<string, object>) {
    this.#log = new JsonLog(path);
    this.#journalPath = journalPath;
    this.#journal = new JsonLog(journalPath);
    this.#order = order;
    this.#ahead = ahead;
    this.#advance();
  }

  /**
   * @param order ids that are to be added
   * @param isThere whether the log has the record of an id already
   * @param isUsable whether a record of the journal is what is wanted now; what is not is made again
   */
  static async open<T extends Identified>(
    path: string,
    journalPath: string,
    order: readonly string[],
    isThere: (id: string) => boolean,
    isUsable: (value: Readonly<Record<string, unknown>>) => boolean = () => true,
  ): Promise<OrderedLog<T>> {
    const wanted = new Set(order);
    const ahead = new Map<string, object>();
    const others: object[] = [];
    for await (const { value } of readLog(journalPath)) {
      const id = String(value.id);
      if (!isUsable(value)) continue;
      if (wanted.has(id)) ahead.set(id, value);
      else if (!isThere(id)) others.push(value);
    }
    if (others.length > 0) {
      // Of an earlier run that wanted more: nothing is waited for before them.
      using log = new JsonLog(path);
      log.append(others);
    }
    return new OrderedLog(path, journalPath, order, ahead);
  }

  /** Ids that are not finished, in order. */
  get missing(): string[] {
    return this.#order.slice(this.#next).filter((id) => !this.#ahead.has(id));
  }

  /** Number of records of the order that are finished. */
  get numDone(): number {
    return this.#next + this.#ahead.size;
  }

  /** Number of the first record of the order that is not finished. */
  get next(): number {
    return this.#next;
  }

  put(record: T): void {
    if (record.id !== this.#order[this.#next]) {
      this.#journal.append([record]);
      this.#ahead.set(record.id, record);
      return;
    }
    this.#ahead.set(record.id, record);
    this.#advance();
  }

  [Symbol.dispose](): void {
    this.#log[Symbol.dispose]();
    this.#journal[Symbol.dispose]();
    // Not before the log is on disk.
    if (this.#ahead.size === 0) rmSync(this.#journalPath, { force: true });
  }

  #advance(): void {
    const ready: object[] = [];
    for (; this.#next < this.#order.length; this.#next++) {
      const id = this.#order[this.#next] ?? "";
      const record = this.#ahead.get(id);
      if (record === undefined) break;
      ready.push(record);
      this.#ahead.delete(id);
    }
    this.#log.append(ready);
  }
}
