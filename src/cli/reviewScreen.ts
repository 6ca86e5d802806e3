/** A record that waits for review, on a terminal: what was asked, what was answered, and what a person may do with it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import * as clack from "@clack/prompts";
import type { Action, ReviewRecord, ReviewScreen } from "../posttrain/distill/review.js";

export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

export class TerminalReview implements ReviewScreen {
  readonly #editor: string | null;
  readonly #terminal: Terminal;

  /** @param editor command that opens a file; null: answers are typed here */
  constructor(editor: string | null, terminal: Terminal) {
    this.#editor = editor;
    this.#terminal = terminal;
  }

  /** @throws RangeError where there is no terminal to ask in */
  static open({ VISUAL, EDITOR }: Readonly<Record<string, string | undefined>>): TerminalReview {
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      throw new RangeError(
        "review: no terminal to ask in; --accept, --reject and --edit decide without one, --list shows ids",
      );
    }
    return new TerminalReview(VISUAL || EDITOR || null, { input: process.stdin, output: process.stdout });
  }

  async ask(record: ReviewRecord, place: number, count: number): Promise<Action> {
    for (const { role, content } of record.messages) clack.note(printable(content ?? ""), role, this.#terminal);
    const choice = await clack.select({
      ...this.#terminal,
      message: `${place} of ${count}, from ${printable(record.source)} (${record.id})`,
      options: [
        { value: "accept", label: "Accept" },
        { value: "edit", label: "Edit the answer" },
        { value: "reject", label: "Reject" },
        { value: "skip", label: "Leave for later" },
        { value: "stop", label: "Stop here" },
      ] as const,
    });
    if (clack.isCancel(choice)) return { kind: "stop" };
    if (choice !== "edit") return { kind: choice };
    const before = record.messages.at(-1)?.content ?? "";
    const text = this.#editor === null ? await typed(before, this.#terminal) : edited(before, this.#editor);
    // Nothing typed, nothing changed: the record is asked for again.
    return text === null ? this.ask(record, place, count) : { kind: "edit", text };
  }

  problem(text: string): void {
    clack.log.error(printable(text), this.#terminal);
  }
}

/** @returns null if it was given up */
async function typed(before: string, terminal: Terminal): Promise<string | null> {
  const text = await clack.multiline({ ...terminal, message: "The answer as it should be", initialValue: before });
  return clack.isCancel(text) ? null : text;
}

/** @returns null if the editor failed @throws RangeError if it cannot be started */
function edited(before: string, editor: string): string | null {
  const folder = mkdtempSync(join(tmpdir(), "fathom-review-"));
  const path = join(folder, "answer.md");
  try {
    writeFileSync(path, before, { mode: 0o600 });
    // As git does: the variable is a command with its options.
    const { error, status } = spawnSync("sh", ["-c", `${editor} "$1"`, "sh", path], { stdio: "inherit" });
    if (error) throw new RangeError(`${editor}: cannot be started (${error.message}); set EDITOR`);
    return status === 0 ? readFileSync(path, "utf8") : null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Without what a terminal would obey: a model may have written anything. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "\ufffd");
}
