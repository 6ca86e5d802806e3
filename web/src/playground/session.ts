/** What stands in the playground: settings, the conversation, the texts of the other modes. It outlives the tab it is drawn in. */
import type { Token } from "./answer.js";
import { Generation } from "./generation.js";
import { type Asked, defaults, type Message, type Mode, requestOf, type Settings } from "./settings.js";

export interface Turn {
  readonly user: string;
  generation: Generation;
}

/** Which token is open. */
export interface OpenToken {
  readonly generation: Generation;
  readonly index: number;
}

const settingsName = "fathom-settings";

export class Session {
  mode: Mode = "chat";
  #isModeChosen = false;
  settings: Settings = storedSettings();
  /** Tokens that can be opened, or the text as it is meant. */
  view: "tokens" | "text" = "tokens";
  model: string | null = null;
  turns: readonly Turn[] = [];
  chatInput = "";
  completionPrompt = "";
  fimPrefix = "";
  fimSuffix = "";
  completion: Generation | null = null;
  fim: Generation | null = null;
  open: OpenToken | null = null;
  /** Why nothing could be sent. */
  problem: string | null = null;
  readonly #listeners = new Set<() => void>();
  #isScheduled = false;

  /** @returns ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(values: Partial<Session>): void {
    Object.assign(this, values);
    this.#notify();
  }

  /** What the reader wants to do; what they were about to do elsewhere stays. */
  choose(mode: Mode): void {
    this.#isModeChosen = true;
    this.change({ mode, open: null, problem: null });
  }

  /** Where to begin with a model, as long as the reader has not said where. */
  suggest(mode: Mode): void {
    if (!this.#isModeChosen && this.turns.length === 0 && this.chatInput === "") this.change({ mode });
  }

  set(values: Partial<Settings>): void {
    this.settings = { ...this.settings, ...values };
    localStorage.setItem(settingsName, JSON.stringify(this.settings));
    this.#notify();
  }

  get current(): Generation | null {
    switch (this.mode) {
      case "chat":
        return this.turns.at(-1)?.generation ?? null;
      case "completion":
        return this.completion;
      case "fim":
        return this.fim;
      default:
        return this.mode satisfies never;
    }
  }

  get openToken(): Token | null {
    return this.open ? (this.open.generation.answer.tokens[this.open.index] ?? null) : null;
  }

  get canSend(): boolean {
    if (this.model === null || this.current?.isRunning) return false;
    if (this.mode === "chat") return this.chatInput.trim() !== "";
    return this.mode === "completion" ? this.completionPrompt !== "" : this.fimPrefix + this.fimSuffix !== "";
  }

  send(): void {
    if (!this.canSend) return;
    if (this.mode !== "chat") {
      this.regenerate();
      return;
    }
    const user = this.chatInput;
    const generation = this.#start({
      mode: "chat",
      messages: [...this.#history(this.turns), { role: "user", content: user }],
    });
    if (generation) this.change({ turns: [...this.turns, { user, generation }], chatInput: "" });
  }

  /** Asks the same again. */
  regenerate(): void {
    if (this.model === null || this.current?.isRunning) return;
    if (this.mode === "chat") {
      const last = this.turns.at(-1);
      if (!last) return;
      const before = this.turns.slice(0, -1);
      const messages: Message[] = [...this.#history(before), { role: "user", content: last.user }];
      const generation = this.#start({ mode: "chat", messages });
      if (generation) this.change({ turns: [...before, { user: last.user, generation }], open: null });
    } else if (this.mode === "completion") {
      const completion = this.#start({ mode: "completion", prompt: this.completionPrompt });
      if (completion) this.change({ completion, open: null });
    } else {
      const fim = this.#start({ mode: "fim", prompt: this.fimPrefix, suffix: this.fimSuffix });
      if (fim) this.change({ fim, open: null });
    }
  }

  stop(): void {
    this.current?.stop();
  }

  /** Turns to another of the answers to one question; a conversation goes on with the one that is shown. */
  show(generation: Generation, index: number): void {
    generation.shown = index;
    this.change({ open: this.open?.generation === generation ? null : this.open });
  }

  /** An empty page of this mode. */
  clear(): void {
    this.stop();
    if (this.mode === "chat") this.change({ turns: [], open: null, problem: null });
    else if (this.mode === "completion") this.change({ completion: null, open: null, problem: null });
    else this.change({ fim: null, open: null, problem: null });
  }

  /** What was written becomes part of what is given. */
  keep(): void {
    if (this.mode === "completion" && this.completion) {
      this.change({
        completionPrompt: this.completionPrompt + this.completion.answer.text,
        completion: null,
        open: null,
      });
    } else if (this.mode === "fim" && this.fim) {
      this.change({ fimPrefix: this.fimPrefix + this.fim.answer.text, fim: null, open: null });
    }
  }

  #history(turns: readonly Turn[]): Message[] {
    return turns.flatMap(({ user, generation }): Message[] => [
      { role: "user", content: user },
      ...(generation.answer.text === "" ? [] : [{ role: "assistant" as const, content: generation.answer.text }]),
    ]);
  }

  #start(asked: Asked): Generation | null {
    if (this.model === null) return null;
    const seed = this.settings.seed ?? randomSeed();
    try {
      const request = requestOf(asked, this.model, this.settings, seed);
      const generation = new Generation(this.model, seed, this.settings.choices);
      void generation.run(asked, request, () => this.#notify());
      this.problem = null;
      return generation;
    } catch (error) {
      this.change({ problem: error instanceof Error ? error.message : String(error) });
      return null;
    }
  }

  /** Once a frame at most, however fast tokens come. */
  #notify(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const tell = (): void => {
      this.#isScheduled = false;
      for (const listener of this.#listeners) listener();
    };
    // A hidden page draws no frames.
    if (document.hidden) setTimeout(tell, 100);
    else requestAnimationFrame(tell);
  }
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

function storedSettings(): Settings {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(settingsName) ?? "{}");
    const known = Object.entries(stored ?? {}).filter(([key, value]) => {
      const usual: unknown = defaults[key as keyof Settings];
      return key in defaults && (typeof value === typeof usual || (key === "seed" && typeof value === "number"));
    });
    return { ...defaults, ...Object.fromEntries(known) };
  } catch {
    return defaults;
  }
}
