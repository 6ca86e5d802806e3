/** The chat itself: takes what is said, asks the model or does what a command says, and shows what comes of it. */
import type { ThoughtPart } from "../tokenizer/thought.js";
import { runCommand } from "./chatCommands.js";
import type { Input } from "./chatInput.js";
import type { Answered, ChatSession } from "./chatSession.js";
import { grouped } from "./output.js";

/** Where a chat is shown. */
export interface ChatScreen {
  piece(piece: ThoughtPart): void;
  /** After the last piece of an answer. */
  endAnswer(): void;
  /** Beside the conversation: what a command found, how fast an answer was. */
  note(text: string): void;
  problem(text: string): void;
}

export interface LoopOptions {
  /** A person is there: mistakes are shown and the chat goes on, and an interruption ends the answer alone. Else both end the chat. */
  readonly isInteractive: boolean;
}

export class ChatLoop {
  isInterrupted = false;
  readonly #session: ChatSession;
  readonly #screen: ChatScreen;
  readonly #options: LoopOptions;
  #running: AbortController | null = null;

  constructor(session: ChatSession, screen: ChatScreen, options: LoopOptions) {
    this.#session = session;
    this.#screen = screen;
    this.#options = options;
  }

  /** Stops the answer that is being written. @returns false if there is none */
  interrupt(): boolean {
    if (!this.#options.isInteractive) this.isInterrupted = true;
    this.#running?.abort();
    return this.#running !== null;
  }

  /** @param next null at the end @throws what goes wrong, unless a person is there */
  async run(next: () => Promise<Input | null>): Promise<void> {
    while (!this.isInterrupted) {
      const input = await next();
      if (input === null) return;
      try {
        if (await this.#take(input)) return;
      } catch (error) {
        if (!this.#options.isInteractive) throw error;
        this.#screen.problem(error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** @returns whether that was the end */
  async #take({ kind, text }: Input): Promise<boolean> {
    const session = this.#session;
    if (kind === "text") {
      await this.#show((onPiece, signal) => session.ask(text, onPiece, signal));
      return false;
    }
    const reply = runCommand(text, session);
    if (reply.text !== "") this.#screen.note(reply.text);
    if (reply.next === "retry") await this.#show((onPiece, signal) => session.retry(onPiece, signal));
    return reply.next === "exit";
  }

  async #show(ask: (onPiece: (piece: ThoughtPart) => void, signal: AbortSignal) => Promise<Answered>): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    let hasBegun = false;
    try {
      const answered = await ask((piece) => {
        hasBegun = true;
        this.#screen.piece(piece);
      }, running.signal);
      if (hasBegun) this.#screen.endAnswer();
      hasBegun = false;
      this.#screen.note(this.#summary(answered));
    } finally {
      if (hasBegun) this.#screen.endAnswer();
      this.#running = null;
    }
  }

  #summary({ answer, isKept }: Answered): string {
    const { usage, tokensPerSecond, finishReason } = answer;
    if (!isKept) return "stopped before the first word; the question is not kept";
    const { promptTokens, completionTokens } = usage;
    const used = promptTokens + completionTokens;
    const { maxPositions } = this.#session.model.info;
    return [
      `${grouped(completionTokens)} token${completionTokens === 1 ? "" : "s"}`,
      ...(tokensPerSecond > 0 ? [`${tokensPerSecond.toFixed(1)} tokens/s`] : []),
      `${grouped(used)} of ${grouped(maxPositions)} positions`,
      ...(finishReason === "abort" ? ["stopped"] : []),
      ...(finishReason === "length"
        ? [used >= maxPositions ? "no room for more (/undo, /clear)" : "cut off there (/set max-tokens)"]
        : []),
    ].join(", ");
  }
}
