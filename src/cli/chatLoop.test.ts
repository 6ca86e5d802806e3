import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Script, ScriptedModel } from "../../test/serve/scriptedModel.js";
import type { Model } from "../generate/request.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { LineJoiner } from "./chatInput.js";
import { ChatLoop } from "./chatLoop.js";
import { StreamScreen } from "./chatScreen.js";
import { ChatSession } from "./chatSession.js";
import { settingsOf } from "./chatSettings.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-chat-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Chat {
  readonly model: ScriptedModel;
  readonly session: ChatSession;
  readonly loop: ChatLoop;
  /** Says lines, one after the other, until they are answered. */
  readonly say: (...lines: readonly string[]) => Promise<void>;
  /** What was shown since the last look. */
  readonly shown: () => { readonly out: string; readonly err: string };
}

function chat(script: Script, { isInteractive = true, isTTY = false } = {}): Chat {
  const model = new ScriptedModel(script);
  const session = new ChatSession(model, settingsOf({ temperature: 0.5, seed: 10 }));
  let [out, err] = ["", ""];
  const screen = new StreamScreen(
    { isTTY, write: (text) => (out += text) },
    { isTTY, write: (text) => (err += text) },
    true,
  );
  const loop = new ChatLoop(session, screen, { isInteractive });
  const say = async (...lines: readonly string[]): Promise<void> => {
    const joiner = new LineJoiner();
    const inputs = lines.flatMap((line) => joiner.push(line) ?? []);
    await loop.run(async () => inputs.shift() ?? null);
  };
  const shown = (): { out: string; err: string } => {
    const all = { out, err };
    [out, err] = ["", ""];
    return all;
  };
  return { model, session, loop, say, shown };
}

const bos = "<\uff5cbegin\u2581of\u2581sentence\uff5c>";
const eos = "<\uff5cend\u2581of\u2581sentence\uff5c>";
const [userTurn, assistantTurn] = ["<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"];
const contents = ({ session }: Chat): (string | null)[] => session.turns.map(({ content }) => content);

test("turns and the system prompt become the next prompt, reasoning left out", async () => {
  const one = chat({ write: () => "<think>Hm.</think>Yes." });
  await one.say("/system Be brief.", "A", "B");
  expect(one.model.lastPrompt).toBe(
    `${bos}Be brief.${userTurn}A${assistantTurn}Yes.${eos}${userTurn}B${assistantTurn}`,
  );
  expect(one.session.turns[1]).toEqual({ role: "assistant", content: "Yes.", reasoning_content: "Hm." });
  await one.say('/system ""', "C");
  expect(one.model.lastPrompt.startsWith(`${bos}${userTurn}A`)).toBe(true);
  const chatTemplate = "{% for m in messages %}{{ m.reasoning_content }}{{ m.content }};{% endfor %}";
  const open = chat({ write: () => "<think>Hm.</think>Yes.", chatTemplate });
  await open.say("A", "B");
  expect(open.model.lastPrompt).toBe("A;Yes.;B;");
});

test("an answer is shown with its length and speed beside it, reasoning apart", async () => {
  const one = chat({ write: () => "<think>Hm.</think>Yes.", stepMs: 1 });
  await one.say("A");
  const { out, err } = one.shown();
  expect(out).toBe("Yes.\n");
  expect(err).toMatch(/^Hm\.\n\n9 tokens, \d+\.\d tokens\/s, 13 of 4,096 positions\n$/); // 4 read; tags are one token each
});

test("settings reach the model, and each answer has a seed of its own", async () => {
  const one = chat({ write: () => "x" });
  await one.say("/set top_p 0.5", "/set max-tokens 7", "A", "/retry");
  const [first, second] = one.model.requests;
  expect(first).toMatchObject({ maxTokens: 7, sampling: { temperature: 0.5, topP: 0.5, seed: 10 } });
  expect(second?.sampling?.seed).toBe(11);
  expect(second?.prompt).toEqual(first?.prompt);
  expect(contents(one)).toEqual(["A", "x"]);
  one.shown();
  await one.say("/set");
  expect(one.shown().err).toContain("top-p 0.5");
});

test("wrong settings are refused with their range, and nothing changes", async () => {
  const one = chat({ write: () => "x" });
  const before = one.session.settings;
  await one.say("/set temperature abc", "/set temperature", "/set top-k 1.5", "/set top-p 0", "/set warmth 3");
  expect(one.shown().err.split("\n").slice(0, 5)).toEqual([
    "fathom: /set temperature: expected a number from 0 to 100, got abc",
    "fathom: /set temperature: expected a number from 0 to 100, got nothing",
    "fathom: /set top-k: expected a whole number from 0 to 2147483648, got 1.5",
    "fathom: /set top-p: expected a number from 1e-9 to 1, got 0",
    expect.stringMatching(/^fathom: \/set: no setting warmth; expected one of temperature, top-p,/),
  ]);
  expect(one.session.settings).toBe(before);
});

test("undo takes the last turn back, clear all of them, and neither the system prompt", async () => {
  const one = chat({ write: () => "x" });
  await one.say("/system S", "A", "B", "/undo");
  expect(contents(one)).toEqual(["A", "x"]);
  await one.say("/clear", "C");
  expect(one.model.lastPrompt).toBe(`${bos}S${userTurn}C${assistantTurn}`);
  await one.say("/undo");
  one.shown();
  await one.say("/undo", "/retry");
  expect(one.shown().err).toBe(
    "fathom: /undo: the conversation has no turn yet\nfathom: /retry: the conversation has no turn yet\n",
  );
});

test("stopping an answer keeps what was written, and the conversation goes on", async () => {
  const one = chat({ write: ({ prompt }) => (prompt.length > 4 ? "done" : "abcdefgh"), stepMs: 4 });
  const said = one.say("A", "B");
  while (!one.shown().out.includes("c")) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(one.loop.interrupt()).toBe(true);
  await said;
  const [question, answer = "", ...rest] = contents(one);
  expect(question).toBe("A");
  expect("abcdefgh".startsWith(answer ?? "-")).toBe(true);
  expect(answer?.length).toBeLessThan(8);
  expect(rest).toEqual(["B", "done"]);
  expect(one.loop.interrupt()).toBe(false);
  expect(one.loop.isInterrupted).toBe(false);
});

test("a question stopped before the first word is not kept", async () => {
  const one = chat({ write: () => "abc", promptMs: 10_000 });
  const said = one.say("A");
  await new Promise((resolve) => setTimeout(resolve, 5));
  one.loop.interrupt();
  await said;
  expect(contents(one)).toEqual([]);
  expect(one.shown()).toEqual({ out: "", err: "stopped before the first word; the question is not kept\n" });
});

test("in a pipe an interruption ends the chat, and so does the first mistake", async () => {
  const one = chat({ write: () => "abcdefgh", stepMs: 4 }, { isInteractive: false });
  const said = one.say("A", "B");
  while (!one.shown().out.includes("b")) await new Promise((resolve) => setTimeout(resolve, 1));
  one.loop.interrupt();
  await said;
  expect(one.loop.isInterrupted).toBe(true);
  expect(one.model.requests).toHaveLength(1);
  const two = chat({ write: () => "x" }, { isInteractive: false });
  await expect(two.say("/undo", "A")).rejects.toThrow("/undo: the conversation has no turn yet");
  expect(two.model.requests).toEqual([]);
});

test("an answer that fails leaves the conversation as it was", async () => {
  const one = chat({ write: () => "abc", failure: "out of memory" });
  await one.say("A");
  expect(contents(one)).toEqual([]);
  expect(one.shown()).toEqual({ out: "a\n", err: "fathom: the model failed: out of memory\n" });
});

test("an answer takes the room that is left, and a question without room is refused", async () => {
  const one = chat({ write: () => "0123456789", maxPositions: 12 });
  await one.say("ab"); // start, turn, a, b, turn: five tokens
  expect(one.model.requests[0]?.maxTokens).toBe(7);
  expect(one.shown().err).toContain("12 of 12 positions, no room for more (/undo, /clear)");
  await one.say("c");
  expect(one.shown().err).toContain("the conversation has 16 tokens with this question, the model 12 positions");
  await one.say("/set max-tokens 3", "/clear", "ab");
  expect(one.shown().err).toContain("8 of 12 positions, cut off there (/set max-tokens)");
});

test("/tokens counts the conversation and the last answer", async () => {
  const one = chat({ write: () => "xyz", cachedTokens: 2 });
  await one.say("/tokens", "ab", "/tokens");
  const lines = one.shown().err.split("\n");
  expect(lines[0]).toBe("1 of 4,096 positions"); // the start token
  // start, turn, a, b, turn, x, y, z, end
  expect(lines.at(-2)).toBe("9 of 4,096 positions; last answer: 5 read, 2 of them from the cache, 3 written");
});

test("a conversation comes back from its file as it was, settings included", async () => {
  const path = join(folder, "a", "chat.json");
  const one = chat({ write: () => "<think>Hm.</think>\u00e4\n" });
  await one.say("/system S", "/set temperature 0.25", "A", "B", `/save ${path}`);
  const two = chat({ write: () => "x" });
  await two.say("/set top-k 3", "gone", `/load ${path}`);
  expect(two.session.turns).toEqual(one.session.turns);
  expect(two.session.system).toBe("S");
  expect(two.session.settings).toEqual({ ...one.session.settings });
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
    model: "models/scripted",
    messages: [{ role: "system", content: "S" }, { role: "user" }, { reasoning_content: "Hm." }, {}, {}],
  });
});

test("a broken file is refused with the place of its fault, and the conversation stays", async () => {
  const one = chat({ write: () => "x" });
  await one.say("A");
  one.shown();
  const path = join(folder, "broken.json");
  const messages = (...roles: readonly string[]): object => ({
    messages: roles.map((role) => ({ role, content: "" })),
  });
  const faults: readonly [content: string, message: string][] = [
    ['{"messages": [', "not valid JSON"],
    ["[]", "expected an object with messages"],
    ["{}", "messages: expected a list"],
    ['{"messages": [], "temperature": 1}', "unknown key temperature"],
    [JSON.stringify(messages("user", "user")), 'messages[1].role: expected "assistant" here, got "user"'],
    [JSON.stringify(messages("system", "assistant")), 'messages[1].role: expected "user" here, got "assistant"'],
    [JSON.stringify(messages("user")), "the last question has no answer"],
    [JSON.stringify(messages("tool")), 'messages[0].role: expected system, user or assistant, got "tool"'],
    ['{"messages": [{"role": "user"}]}', "messages[0].content: expected a text, got nothing"],
    [
      '{"messages": [], "settings": {"topK": 0.5}}',
      "settings.topK: expected a whole number from 0 to 2147483648, got 0.5",
    ],
    ['{"messages": [], "settings": {"warmth": 1}}', "settings.warmth: no such setting"],
  ];
  for (const [content, message] of faults) {
    writeFileSync(path, content);
    await one.say(`/load ${path}`);
    const { err } = one.shown();
    expect(err.startsWith(`fathom: ${path}: `), err).toBe(true);
    expect(err).toContain(message);
  }
  await one.say("/load", `/load ${join(folder, "none.json")}`);
  expect(one.shown().err).toBe(
    `fathom: /load: which file? /load chat.json\nfathom: ${join(folder, "none.json")}: cannot be read (no such file)\n`,
  );
  expect(contents(one)).toEqual(["A", "x"]);
});

test("commands are listed, and others are refused", async () => {
  const one = chat({ write: () => "x" });
  await one.say("/help", "/sytsem x", "/undo 2", "/exit", "never asked");
  const { err } = one.shown();
  for (const name of ["system", "clear", "undo", "retry", "save", "load", "set", "tokens", "exit"]) {
    expect(err).toMatch(new RegExp(`^/${name}\\b`, "m"));
  }
  expect(err).toContain("fathom: /sytsem: no such command; /help lists them");
  expect(err).toContain('fathom: /undo: takes nothing after it, got "2"');
  expect(one.model.requests).toEqual([]);
});

test("on a terminal, notes are dim and what the model writes cannot steer it", async () => {
  const one = chat({ write: () => "a\x1b[31mb\r\tc\u009b" }, { isTTY: true });
  await one.say("A");
  const { out, err } = one.shown();
  expect(out).toBe("a\ufffd[31mb\ufffd\tc\ufffd\n");
  expect(err.startsWith("\x1b[2m12 tokens")).toBe(true); // the last character is two bytes
  expect(err.endsWith("\x1b[22m\n")).toBe(true);
  const piped = chat({ write: () => "a\x1b[31m" });
  await piped.say("A");
  expect(piped.shown().out).toBe("a\x1b[31m\n");
});

test("a turn of the user's ends an answer of a model that goes on with it", async () => {
  const one = chat({ write: () => "x" });
  await one.say("A");
  expect(one.model.requests[0]?.stopIds).toEqual([one.model.tokenizer.tokenToId(userTurn)]);
});

test("a model that knows of no chats is refused", () => {
  const { info, tokenizer } = new ScriptedModel({ write: () => "" });
  const of = (other: Tokenizer | null): Model =>
    Object.assign(new ScriptedModel({ write: () => "" }), { tokenizer: other, info });
  expect(() => new ChatSession(of(null), settingsOf({}))).toThrow("models/scripted: no tokenizer.json");
  const json = tokenizer.json as { added_tokens: { content: string }[] };
  const { chat_template: _, ...config } = tokenizer.config;
  const turnless = { ...json, added_tokens: json.added_tokens.filter(({ content }) => content !== userTurn) };
  expect(() => new ChatSession(of(Tokenizer.fromJson(turnless, config)), settingsOf({}))).toThrow("no chat template");
});
