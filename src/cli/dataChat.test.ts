import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { dataCommand } from "./data.js";
import { describePreview } from "./dataPreview.js";

let folder = "";
let tokenizer = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-data-chat-"));
  tokenizer = join(folder, "tokenizer");
  Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig()).save(tokenizer);
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function put(name: string, rows: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  return path;
}

/** What a command prints, and its exit code. */
async function run(...args: string[]): Promise<{ readonly text: string; readonly code: unknown }> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await dataCommand().parseAsync(args, { from: "user" });
    return { text: write.mock.calls.map(([text]) => String(text)).join(""), code: process.exitCode };
  } finally {
    write.mockRestore();
  }
}

const round = (question: string, answer: string, more: object = {}): object => ({
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: answer, ...more },
  ],
});

describe("data validate", () => {
  test("counts records, prompts and messages, and exits with 0 where all is well", async () => {
    const path = put("a.jsonl", [round("A", "B"), { ...round("A", "C"), id: 1 }]);
    const { text, code } = await run("validate", path);
    expect(text).toBe(
      "2 records (2 chat), 1 different prompts, 0 bad rows\n" +
        "messages: 0 system, 2 user, 2 assistant, 0 tool\n" +
        "fields beside the format's own: id (1)\n",
    );
    expect(code).toBeUndefined();
  });

  test("tells every bad row, goes on behind it, and exits with 1", async () => {
    const path = put("a.jsonl", [round("A", "B"), round("A", ""), { x: 1 }, round("C", "D")]);
    const { text, code } = await run("validate", path);
    expect(text.split("\n").slice(0, 3)).toEqual([
      `${path}: row 2: messages[1].content (assistant): expected an answer, got an empty text`,
      `${path}: row 3: messages: expected a list, got nothing`,
      "2 records (2 chat), 2 different prompts, 2 bad rows",
    ]);
    expect(code).toBe(1);
    const json = await run("validate", path, "--json", "--max-errors", "1");
    expect(JSON.parse(json.text)).toMatchObject({
      records: 2,
      bad: 2,
      errors: [{ path, row: 2, field: "messages[1].content (assistant)" }],
      sequences: null,
    });
  });

  test("with a tokenizer counts tokens, their learned share, and what a limit drops", async () => {
    // A round has 4 tokens beside its texts (begin, two turns, end), and its answer and end are learned.
    const rows = [
      round("abc", "de"),
      round("a", "bcdefghi"),
      round("abcdefgh", "i"),
      round("<｜User｜>", "b", { weight: 0 }),
    ];
    const path = put("a.jsonl", rows);
    const { text, code } = await run("validate", path, "--tokenizer", tokenizer, "--max-length", "9");
    expect(text.split("\n")).toEqual([
      `${path}: row 4: no token to learn from; expected an answer with weight 1`,
      "4 records (4 chat), 4 different prompts, 0 bad rows",
      "messages: 0 system, 4 user, 4 assistant, 0 tool",
      "2 sequences, 18 tokens, 8 learned (44.4%)",
      "tokens per sequence: least 9, median 9, mean 9, 90% up to 9, most 9",
      "limit 9: 1 truncated, 0 dropped as too long, 1 dropped without a target within it",
      "1 records have no token to learn from",
      "",
    ]);
    expect(code).toBe(1);
    const dropped = await run(
      "validate",
      path,
      "--tokenizer",
      tokenizer,
      "--max-length",
      "9",
      "--overlong",
      "drop",
      "--json",
    );
    expect(JSON.parse(dropped.text).sequences).toMatchObject({
      sequences: 1,
      targets: 3,
      dropped: { overlong: 2, lostTargets: 0 },
    });
  });

  test("takes the format, the deviations and the entry that are given", async () => {
    const path = put("a.jsonl", [{ messages: [{ role: "assistant", content: "A" }], prompt: "B" }]);
    expect((await run("validate", path)).code).toBe(1);
    process.exitCode = undefined;
    expect((await run("validate", path, "--allow", "assistant-first,user-last")).text).toContain("1 records (1 chat)");
    expect((await run("validate", path, "--format", "prompt")).text).toContain("1 records (1 prompt)");
    put("b.json", [{ q: "A", r: "B" }]);
    const info = join(folder, "dataset_info.json");
    writeFileSync(info, JSON.stringify({ mine: { file_name: "b.json", columns: { prompt: "q", response: "r" } } }));
    expect((await run("validate", info, "--data-set", "mine")).text).toContain("1 records (1 chat)");
    expect(process.exitCode).toBeUndefined();
  });
});

describe("data preview", () => {
  test("shows the text with what is learned between marks, and the pieces as JSON", async () => {
    const path = put("a.jsonl", [round("A", "é"), round("B", "C")]);
    const { text } = await run("preview", path, "--tokenizer", tokenizer, "--records", "1");
    expect(text).toBe(
      `=== ${path}, row 1: chat\n--- conversation: 7 tokens, 3 learned\n` +
        "<｜begin▁of▁sentence｜><｜User｜>A<｜Assistant｜>⟦é<｜end▁of▁sentence｜>⟧\n",
    );
    const json = await run("preview", path, "--tokenizer", tokenizer, "--json");
    expect(JSON.parse(json.text).records[1]).toEqual({
      path,
      row: 2,
      kind: "chat",
      columns: {},
      parts: [
        {
          label: "conversation",
          pieces: [
            { text: "<｜begin▁of▁sentence｜><｜User｜>B<｜Assistant｜>", tokens: 4, isTarget: false },
            { text: "C<｜end▁of▁sentence｜>", tokens: 2, isTarget: true },
          ],
        },
      ],
    });
  });

  test("shows every kind of record, by the mode and variables that are given", async () => {
    const show = async (row: object, ...flags: string[]): Promise<string> => {
      const { text } = await run("preview", put("a.jsonl", [row]), "--tokenizer", tokenizer, ...flags);
      return text
        .replace(/<｜(.)[^｜]*｜>/g, "<$1>")
        .split("\n")
        .slice(1)
        .join("\n");
    };
    expect(await show({ prompt: "A", chosen: "B", rejected: "C" })).toBe(
      "--- chosen: 4 tokens, 2 learned\n<b>A⟦B<e>⟧\n--- rejected: 4 tokens, 2 learned\n<b>A⟦C<e>⟧\n",
    );
    expect(await show({ prompt: "A", completion: "B", label: false })).toBe(
      "--- undesirable: 4 tokens, 2 learned\n<b>A⟦B<e>⟧\n",
    );
    expect(await show({ prompt: "A", completions: ["B"], labels: [true] })).toBe(
      "--- steps, judged where marked: 4 tokens, 1 learned\n<b>AB⟦\n⟧\n",
    );
    expect(await show({ prompt: "A", answer: 1 }, "--plain-as", "chat")).toBe(
      "--- prompt: 4 tokens, 0 learned\n<b><U>A<A>\n--- columns: answer\n",
    );
    expect(await show(round("A", "B"), "--mode", "all")).toContain("<b>⟦<U>A<A>B<e>⟧");
    const config = {
      ...buildTokenizerConfig(),
      chat_template: "{{ mode }}{% for m in messages %}{{ m.content }}<｜end▁of▁sentence｜>{% endfor %}",
    };
    Tokenizer.fromJson(buildTokenizerJson([]), config).save(tokenizer);
    expect(await show(round("A", "B"), "--template-variable", 'mode="x"')).toContain("xA<e>⟦B<e>⟧");
  });

  test("on a terminal colours what is learned and shows no control characters", () => {
    const pieces = [
      { text: "a\u001b[2Jb\n", tokens: 1, isTarget: false },
      { text: "c\u009b", tokens: 1, isTarget: true },
    ];
    const record = { path: "a", row: 1, kind: "chat", parts: [{ label: "x", pieces }], columns: {} } as const;
    const last = (screen: Parameters<typeof describePreview>[1]): string =>
      describePreview(record, screen).split("learned\n")[1] ?? "";
    expect(last({ isTerminal: true, hasColour: true })).toBe("a\ufffd[2Jb\n\u001b[32mc\ufffd\u001b[39m");
    expect(last({ isTerminal: true, hasColour: false })).toBe("a\ufffd[2Jb\n⟦c\ufffd⟧");
    expect(last({ isTerminal: false, hasColour: true })).toBe("a\u001b[2Jb\n⟦c\u009b⟧");
  });
});
