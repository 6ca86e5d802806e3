/** The engine's side of the protocol: takes calls, runs the engine while there is work, tells what happened after each step. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Engine } from "./engine.js";
import { type EngineCall, type EngineMessage, refusalOf } from "./engineProtocol.js";
import type { GenerationEvent } from "./request.js";

export class EngineHost {
  readonly #engine: Engine;
  readonly #post: (message: EngineMessage) => void;
  readonly #onClose: () => void;
  /** The engine's numbers of the caller's requests. */
  readonly #numbers = new Map<number, number>();
  #events: (readonly [id: number, event: GenerationEvent])[] = [];
  #isDamageTold = false;
  #isWorking = false;
  #isClosing = false;

  /** @param open makes the engine with this way to let calls in @param onClose frees what the engine stood on */
  constructor(
    open: (breathe: () => Promise<void>) => Engine,
    post: (message: EngineMessage) => void,
    onClose: () => void,
  ) {
    this.#post = post;
    this.#onClose = onClose;
    this.#engine = open(() => this.#breathe());
  }

  handle(call: EngineCall): void {
    switch (call.type) {
      case "add":
        this.#add(call);
        break;
      case "abort": {
        const number = this.#numbers.get(call.id);
        if (number !== undefined) this.#engine.abort(number);
        this.#work();
        break;
      }
      case "stats":
        this.#post({ type: "stats", id: call.id, stats: this.#engine.stats() });
        break;
      case "close":
        this.#isClosing = true;
        for (const number of this.#numbers.values()) this.#engine.abort(number);
        this.#work();
        break;
      default:
        call satisfies never;
    }
  }

  #add({ id, request }: Extract<EngineCall, { type: "add" }>): void {
    try {
      let left = request.n ?? 1;
      const number = this.#engine.add(request, (event) => {
        this.#events.push([id, event]);
        if (event.type === "finish" && --left === 0) this.#numbers.delete(id);
      });
      this.#numbers.set(id, number);
    } catch (error) {
      this.#post({ type: "refused", id, error: refusalOf(error) });
      return;
    }
    this.#work();
  }

  /** Starts working if nobody does. */
  #work(): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    // The call that started this is told first.
    await nextTurn();
    while (await this.#engine.step()) await this.#breathe();
    this.#flush();
    this.#isWorking = false;
    if (!this.#isClosing) return;
    this.#engine[Symbol.dispose]();
    this.#onClose();
    this.#post({ type: "closed" });
  }

  async #breathe(): Promise<void> {
    this.#flush();
    await nextTurn();
  }

  #flush(): void {
    const { damage } = this.#engine;
    if (damage !== null && !this.#isDamageTold) {
      this.#isDamageTold = true;
      this.#post({ type: "damaged", damage });
    }
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    this.#post({ type: "events", events });
  }
}
