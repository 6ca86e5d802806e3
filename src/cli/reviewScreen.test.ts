import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Action, ReviewRecord } from "../posttrain/distill/review.js";
import { TerminalReview } from "./reviewScreen.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-screen-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const down = "\u001b[B";
const enter = "\r";
const backspace = "\u007f";

const record: ReviewRecord = {
  id: "r1",
  messages: [
    { role: "user", content: "Greet me." },
    { role: "assistant", content: "Hi\u001b[2J there" },
  ],
  source: "model",
  needs_review: true,
  decision: null,
};

/** What comes of the keys that a person presses, one after the other, and what is shown. */
async function press(
  keys: readonly string[],
  editor: string | null = null,
  of = record,
): Promise<{ readonly action: Action; readonly shown: string }> {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input });
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 40 });
  let shown = "";
  const left = [...keys];
  output.on("data", (piece: Buffer) => {
    shown += piece.toString();
  });
  const typing = setInterval(() => {
    const key = left.shift();
    if (key !== undefined) input.write(key);
  }, 20);
  try {
    const action = await new TerminalReview(editor, { input, output }).ask(of, 2, 5);
    return { action, shown };
  } finally {
    clearInterval(typing);
  }
}

test("shows the conversation without what a terminal would obey, and takes what is chosen", async () => {
  const { action, shown } = await press([enter]);
  expect(action).toEqual({ kind: "accept" });
  expect(shown).toContain("Greet me.");
  expect(shown).toContain("Hi\ufffd[2J there");
  expect(shown).toContain("2 of 5, from model (r1)");
  expect((await press([down, down, enter])).action).toEqual({ kind: "reject" });
  expect((await press([down, down, down, enter])).action).toEqual({ kind: "skip" });
  expect((await press([down, down, down, down, enter])).action).toEqual({ kind: "stop" });
});

test("Ctrl-C stops the review", async () => {
  expect((await press(["\u0003"])).action).toEqual({ kind: "stop" });
});

test("an edit opens the editor with the answer, and takes what it leaves", async () => {
  const editor = join(folder, "editor.sh");
  writeFileSync(
    editor,
    '#!/bin/sh\ntest "$1" = "--wait" && printf "%s, edited" "$(head -c 2 "$2")" > "$2.new" && mv "$2.new" "$2"\n',
  );
  chmodSync(editor, 0o755);
  expect((await press([down, enter], `${editor} --wait`)).action).toEqual({ kind: "edit", text: "Hi, edited" });
});

test("an editor that fails changes nothing, and the record is asked for again", async () => {
  expect((await press([down, enter, enter], "false")).action).toEqual({ kind: "accept" });
});

test("without an editor the answer is typed over the old one", async () => {
  const short = {
    ...record,
    messages: [
      { role: "user", content: "Greet me." },
      { role: "assistant", content: "Hi" },
    ],
  };
  const keys = [down, enter, backspace, "o", "!", enter, enter];
  expect((await press(keys, null, short)).action).toEqual({ kind: "edit", text: "Ho!" });
});
