import { describe, expect, test } from "vitest";
import type { DataFormat } from "./choices.js";
import { detectFormat, readRecord } from "./formats.js";
import type { DataRecord, Passage } from "./records.js";
import { Row } from "./row.js";
import type { FormatOptions } from "./trl.js";

const defaults: FormatOptions = { allow: [], plainAs: "text", maskHistory: false };

interface Read {
  readonly format: DataFormat;
  readonly record: DataRecord;
}

function read(fields: object, options: Partial<FormatOptions> = {}, format?: DataFormat): Read {
  const row = new Row("a.jsonl", 3, fields);
  const found = format ?? detectFormat(row);
  return { format: found, record: readRecord(row, found, { ...defaults, ...options }) };
}

const refused = (fields: object, options: Partial<FormatOptions> = {}, format?: DataFormat): string => {
  try {
    read(fields, options, format);
  } catch (error) {
    // What the parser says of bad JSON differs between versions of Node.
    const message = error instanceof Error ? error.message : "";
    return message.replace("a.jsonl: row 3: ", "").replace(/ \(Unexpected.*is not valid JSON\)$/, "");
  }
  return "accepted";
};

/** A passage as S:text U:text A:text T:text, or the text itself; a learned turn has a star. */
function short(passage: Passage | null): string | null {
  if (passage === null || passage.form === "text") return passage?.text ?? null;
  return passage.messages
    .map(({ role, content, weight, tool_calls, reasoning_content }) => {
      const calls = (tool_calls ?? []).map(({ function: f }) => `[${f.name} ${f.arguments}]`).join("");
      return `${role[0]?.toUpperCase()}${weight ? "*" : ""}:${reasoning_content ? `(${reasoning_content})` : ""}${content ?? "-"}${calls}`;
    })
    .join(" ");
}

const u = (content: string): object => ({ role: "user", content });
const a = (content: string): object => ({ role: "assistant", content });

describe("each format's row becomes its record", () => {
  test("messages, with tools, calls, reasoning and weights", () => {
    const { format, record } = read({
      messages: [
        { role: "developer", content: "S" },
        {
          role: "user",
          content: [
            { type: "text", text: "A" },
            { type: "text", text: "B" },
          ],
        },
        {
          role: "assistant",
          content: null,
          reasoning_content: "why",
          tool_calls: [
            { id: "1", type: "function", function: { name: "f", arguments: '{"x": 1}' } },
            { id: "2", function: { name: "g", arguments: { y: 2 } } },
          ],
        },
        { role: "tool", content: "r", tool_call_id: "2" },
        { role: "tool", content: "s", tool_call_id: "1", name: "f" },
        { role: "assistant", content: "C", weight: 0, refusal: "no" },
        u("D"),
        { role: "assistant", content: "E", train: true, tool_calls: null },
      ],
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }, { name: "g" }],
      source: "x",
      prompt_id: 7,
    });
    if (record.kind !== "chat") throw new Error(record.kind);
    expect(format).toBe("messages");
    expect(record.prompt).toBeNull();
    expect(short(record.completion)).toBe('S:S U:AB A*:(why)-[f {"x": 1}][g {"y":2}] T:r T:s A:C U:D A*:E');
    expect(record.tools).toEqual([
      { type: "function", function: { name: "f", description: null, parameters: { type: "object" } } },
      { type: "function", function: { name: "g", description: null, parameters: null } },
    ]);
    expect(record).toMatchObject({ path: "a.jsonl", row: 3, key: "id:7", columns: { source: "x", prompt_id: 7 } });
    expect(record.unusedFields).toEqual(["messages[].refusal"]);
  });

  test("prompt and completion as text, as messages, and text as messages", () => {
    const plain = read({ prompt: "A?", completion: " B" });
    expect(plain).toMatchObject({ format: "prompt-completion", record: { kind: "chat" } });
    const passages = ({ record }: Read): unknown =>
      record.kind === "chat" && [short(record.prompt), short(record.completion)];
    expect(passages(plain)).toEqual(["A?", " B"]);
    expect(passages(read({ prompt: "A?", completion: " B" }, { plainAs: "chat" }))).toEqual(["U:A?", "A*:B"]);
    expect(passages(read({ prompt: [u("A")], completion: [a("B")] }))).toEqual(["U:A", "A*:B"]);
  });

  test("text alone", () => {
    const { format, record } = read({ text: "words", id: 1 });
    expect(format).toBe("text");
    expect(record.kind === "chat" && [record.prompt, short(record.completion), record.columns]).toEqual([
      null,
      "words",
      { id: 1 },
    ]);
  });

  test("preferences, their prompt given or repeated, as text or messages", () => {
    const sides = ({ format, record }: Read): unknown =>
      record.kind === "preference" && [format, short(record.prompt), short(record.chosen), short(record.rejected)];
    expect(sides(read({ prompt: "A", chosen: "B", rejected: "C" }))).toEqual(["preference", "A", "B", "C"]);
    expect(sides(read({ prompt: [u("A")], chosen: [a("B")], rejected: [a("C")] }))).toEqual([
      "preference",
      "U:A",
      "A*:B",
      "A*:C",
    ]);
    const repeated = { chosen: [u("A"), a("B")], rejected: [u("A"), a("C")] };
    expect(sides(read(repeated))).toEqual(["preference", "U:A", "A*:B", "A*:C"]);
    // A prompt of another form than the answers says again what they begin with, and messages beside them are the chosen ones.
    expect(sides(read({ prompt: "A", messages: repeated.chosen, ...repeated }))).toEqual([
      "preference",
      "U:A",
      "A*:B",
      "A*:C",
    ]);
    expect(sides(read({ chosen: "The sky is blue.", rejected: "The sky is black." }))).toEqual([
      ...["preference", "The sky is ", "blue.", "black."],
    ]);
    expect(sides(read({ chosen: "The sky is blue.", rejected: "The sky is black." }, { plainAs: "chat" }))).toEqual([
      ...["preference", "U:The sky is", "A*:blue.", "A*:black."],
    ]);
    const turn = (from: string, value: string): object => ({ from, value });
    const shareGpt = { conversations: [turn("human", "A")], chosen: turn("gpt", "B"), rejected: turn("gpt", "C") };
    expect(sides(read(shareGpt))).toEqual(["sharegpt", "U:A", "A*:B", "A*:C"]);
    expect(sides(read({ instruction: "A", input: "x", chosen: "B", rejected: "C" }))).toEqual([
      "alpaca",
      "U:A\nx",
      "A*:B",
      "A*:C",
    ]);
  });

  test("verdicts", () => {
    const verdict = ({ format, record }: Read): unknown =>
      record.kind === "unpaired" && [format, short(record.prompt), short(record.completion), record.isDesirable];
    expect(verdict(read({ prompt: "A", completion: "B", label: false }))).toEqual(["kto", "A", "B", false]);
    const conversations = [
      { from: "human", value: "A" },
      { from: "gpt", value: "B" },
    ];
    expect(verdict(read({ conversations, kto_tag: true }))).toEqual(["sharegpt", "U:A", "A*:B", true]);
    expect(verdict(read({ instruction: "A", output: "B", kto_tag: true }))).toEqual(["alpaca", "U:A", "A*:B", true]);
  });

  test("steps", () => {
    const { format, record } = read({ prompt: "A", completions: ["B", "C"], labels: [true, false] });
    expect(format).toBe("stepwise");
    expect(record).toMatchObject({ kind: "stepwise", steps: ["B", "C"], areRight: [true, false] });
  });

  test("prompts with columns for rewards, and verl's rows", () => {
    const plain = read({ prompt: "1+1?", answer: "2", level: 3 });
    expect(plain).toMatchObject({ format: "prompt", record: { kind: "prompt", columns: { answer: "2", level: 3 } } });
    const columns = {
      data_source: "gsm8k",
      ability: "math",
      reward_model: { style: "rule", ground_truth: "2" },
      extra_info: { index: 7 },
    };
    const verl = read({ ...columns, prompt: [u("1+1?")] });
    expect(verl.format).toBe("verl");
    expect(verl.record.kind === "prompt" && short(verl.record.prompt)).toBe("U:1+1?");
    expect(verl.record.columns).toEqual(columns);
  });

  test("ShareGPT, with calls, results, system text and tools as JSON text", () => {
    const { format, record } = read({
      conversations: [
        { from: "human", value: "A" },
        { from: "function_call", value: '{"name": "f", "arguments": {"x": 1}}' },
        { from: "observation", value: "r" },
        { from: "gpt", value: "B", weight: 0, loss: 1 },
        { from: "user", value: "C" },
        { from: "assistant", value: "D" },
      ],
      system: "S",
      tools: '[{"name": "f", "description": "d", "parameters": {}}]',
    });
    expect(format).toBe("sharegpt");
    expect(record.kind === "chat" && short(record.completion)).toBe('S:S U:A A*:-[f {"x":1}] T:r A:B U:C A*:D');
    expect(record.tools).toEqual([{ type: "function", function: { name: "f", description: "d", parameters: {} } }]);
    expect(record.unusedFields).toEqual(["conversations[].loss"]);
    const roles = read({ conversations: [u("A"), a("B")] });
    expect(roles.record.kind === "chat" && short(roles.record.completion)).toBe("U:A A*:B");
  });

  test("Alpaca, with system text and earlier turns, which are learned unless they are masked", () => {
    const row = { instruction: "A", input: "x", output: "B", system: "S", history: [["q", "r"]] };
    const { format, record } = read(row);
    expect(format).toBe("alpaca");
    expect(record.kind === "chat" && short(record.completion)).toBe("S:S U:q A*:r U:A\nx A*:B");
    const masked = read(row, { maskHistory: true }).record;
    expect(masked.kind === "chat" && short(masked.completion)).toBe("S:S U:q A:r U:A\nx A*:B");
    const bare = read({ instruction: "A", input: "", output: "B" }).record;
    expect(bare.kind === "chat" && short(bare.completion)).toBe("U:A A*:B");
  });
});

test("records of one question have one key, whatever system text and answer they have", () => {
  const key = (fields: object): string => read(fields).record.key;
  const first = key({ messages: [u("What is 1+1?"), a("2")] });
  expect(key({ messages: [{ role: "system", content: "Think." }, u(" What is\n1+1? "), a("It is 2.")] })).toBe(first);
  expect(key({ prompt: "What is 1+1?", chosen: "2", rejected: "3" })).toBe(first);
  expect(key({ messages: [u("What is 1+2?"), a("2")] })).not.toBe(first);
  expect(key({ messages: [u("x"), a("y")], meta: { prompt_id: "p1" } })).toBe("id:p1");
});

describe("errors name the field, the role, what was expected and what came", () => {
  test("of rows without a known format", () => {
    expect(refused({ question: "A", answer: "B" })).toMatch(
      /^no known format has these fields: question, answer\. Expected one of: verl: data_source, prompt, reward_model; stepwise: .*; text: text$/,
    );
    expect(refused({})).toMatch(/^no known format has these fields: none\./);
  });

  test.each<[string, unknown[], string]>([
    ["no messages", [], "messages: expected messages, got an empty list"],
    ["no message", ["A"], 'messages[0]: expected a message with role and content, got "A"'],
    [
      "an unknown role",
      [u("A"), { role: "bot", content: "B" }],
      'messages[1].role: expected one of system, developer, user, assistant, tool, got "bot"',
    ],
    [
      "no role",
      [{ content: "A" }],
      "messages[0].role: expected one of system, developer, user, assistant, tool, got nothing",
    ],
    ["no content", [{ role: "user" }], "messages[0].content (user): expected a text, got nothing"],
    [
      "content of another kind",
      [u("A"), { role: "assistant", content: 5 }],
      "messages[1].content (assistant): expected a text or a list of text parts, got 5",
    ],
    [
      "an image",
      [{ role: "user", content: [{ type: "image_url" }] }],
      'messages[0].content (user)[0]: expected a part of type "text", got {"type":"image_url"}',
    ],
    ["an empty answer", [u("A"), a(" \n")], "messages[1].content (assistant): expected an answer, got an empty text"],
    [
      "an open thought",
      [u("A"), a("<think>so")],
      "messages[1].content (assistant): <think> is never closed; expected </think> behind the reasoning",
    ],
    [
      "a thought alone",
      [u("A"), a("<think>so</think>\n")],
      "messages[1].content (assistant): expected an answer behind </think>, got nothing",
    ],
    [
      "reasoning twice",
      [u("A"), { ...a("<think>so</think>B"), reasoning_content: "so" }],
      "messages[1].reasoning_content (assistant): expected the reasoning once; content has </think> as well",
    ],
    [
      "tags within reasoning",
      [u("A"), { ...a("B"), reasoning_content: "<think>so" }],
      "messages[1].reasoning_content (assistant): expected reasoning without <think> and </think>",
    ],
    [
      "reasoning of a user",
      [{ ...u("A"), reasoning_content: "x" }],
      "messages[0].reasoning_content (user): only a message of role assistant may have it",
    ],
    [
      "a call of a user",
      [{ ...u("A"), tool_calls: [] }],
      "messages[0].tool_calls (user): only a message of role assistant may have it",
    ],
    [
      "the old form of calls",
      [u("A"), { role: "assistant", function_call: {} }],
      "messages[1].function_call (assistant): the old form of a call; expected tool_calls",
    ],
    [
      "a weight in between",
      [u("A"), { ...a("B"), weight: 0.5 }],
      "messages[1].weight (assistant): expected 0 or 1, got 0.5",
    ],
    [
      "a flag that is none",
      [u("A"), { ...a("B"), train: 1 }],
      "messages[1].train (assistant): expected true or false, got 1",
    ],
    [
      "weight and flag at odds",
      [u("A"), { ...a("B"), train: true, weight: 0 }],
      "messages[1].train (assistant): contradicts weight 0",
    ],
    [
      "a weight on a user",
      [{ ...u("A"), weight: 1 }, a("B")],
      "messages[0].weight (user): only an assistant's messages are learned from",
    ],
    [
      "calls that are no list",
      [u("A"), { role: "assistant", tool_calls: {} }],
      "messages[1].tool_calls (assistant): expected a list of calls, got {}",
    ],
    [
      "a call without a name",
      [u("A"), { role: "assistant", tool_calls: [{ function: { arguments: "{}" } }] }],
      "messages[1].tool_calls (assistant)[0].function.name: expected the name of a function, got nothing",
    ],
    [
      "arguments that are no JSON",
      [u("A"), { role: "assistant", tool_calls: [{ function: { name: "f", arguments: "x=1" } }] }],
      'messages[1].tool_calls (assistant)[0].function.arguments: expected JSON text, got "x=1"',
    ],
    [
      "an id of the wrong kind",
      [u("A"), a("B"), { role: "user", content: "C", name: 3 }],
      "messages[2].name (user): expected a text, got 3",
    ],
  ])("of a message: %s", (_, messages, message) => {
    expect(refused({ messages })).toBe(message);
  });

  const call = { role: "assistant", tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }] };
  const result = (id?: string): object => ({ role: "tool", content: "r", ...(id ? { tool_call_id: id } : {}) });
  test.each<[string, unknown[], string, FormatOptions["allow"]]>([
    [
      "an answer first",
      [{ role: "system", content: "S" }, a("B"), u("A"), a("C")],
      "messages[1] (assistant): expected a message of the user before the first answer (can be allowed: assistant-first)",
      ["assistant-first"],
    ],
    [
      "two questions in a row",
      [u("A"), u("B"), a("C")],
      "messages[1] (user): expected an answer between two messages of the user (can be allowed: repeated-user)",
      ["repeated-user"],
    ],
    [
      "two answers in a row",
      [u("A"), a("B"), a("C")],
      "messages[2] (assistant): expected a message of the user between two answers (can be allowed: repeated-assistant)",
      ["repeated-assistant"],
    ],
    [
      "a system text in the middle",
      [u("A"), { role: "developer", content: "S" }, a("B")],
      "messages[1] (developer): expected system texts at the beginning only (can be allowed: late-system)",
      ["late-system"],
    ],
    [
      "a question at the end",
      [u("A"), a("B"), u("C")],
      "messages[2] (user): expected an answer of the assistant at the end (can be allowed: user-last)",
      ["user-last"],
    ],
    [
      "a call without its result",
      [u("A"), call, u("B"), a("C")],
      "messages[2] (user): expected results of 1 tool calls before it, found 0 (can be allowed: unanswered-call)",
      ["unanswered-call"],
    ],
    ["no answer at all", [u("A")], "messages: expected an answer of the assistant, found none", []],
    [
      "a result without a call",
      [u("A"), result(), a("B")],
      "messages[1] (tool): a result without a call; expected an assistant's tool_calls before it, one for each result",
      [],
    ],
    [
      "more results than calls",
      [u("A"), call, result(), result(), a("B")],
      "messages[3] (tool): a result without a call; expected an assistant's tool_calls before it, one for each result",
      [],
    ],
    [
      "a result of another call",
      [u("A"), call, result("2"), a("B")],
      'messages[2] (tool): tool_call_id "2" names no open call; expected one of 1',
      [],
    ],
  ])("of the order: %s", (_, messages, message, allow) => {
    expect(refused({ messages })).toBe(message);
    if (allow.length > 0) expect(refused({ messages }, { allow })).toBe("accepted");
  });

  test.each<[object, string]>([
    [
      { prompt: [u("A"), a("B")], completion: [a("C")] },
      "prompt[1] (assistant): expected a prompt to end with a message of the user or a tool's result",
    ],
    [
      { prompt: [u("A")], completion: [u("C")] },
      "completion[0] (user): expected an answer between two messages of the user (can be allowed: repeated-user)",
    ],
    [{ prompt: [u("A")], completion: "B" }, 'completion: expected messages, as prompt has, got "B"'],
    [{ prompt: "A", completion: [a("B")] }, 'completion: expected a text, got [{"role":"assistant","content":"B"}]'],
    [{ prompt: "A", completion: " " }, 'completion: expected an answer, got " "'],
    [{ prompt: "A", completion: "B", label: "yes" }, 'label: expected true or false, got "yes"'],
    [{ prompt: "A", chosen: "B", rejected: "B" }, "rejected: expected another answer than chosen"],
    [{ chosen: "same", rejected: "same" }, "rejected: expected another answer than chosen"],
    [
      { chosen: "ab", rejected: "ac" },
      "rejected: expected to begin with the same prompt as chosen, which ends with white space",
    ],
    [
      { chosen: [u("A"), a("B")], rejected: [u("X"), a("C")] },
      "rejected: expected to begin with the same prompt as chosen",
    ],
    [{ chosen: [u("A"), a("B")], rejected: [u("A"), a("B")] }, "rejected: expected another answer than chosen"],
    [
      { chosen: [u("A"), a("B")], rejected: [u("A")] },
      "rejected: expected both answers to go on behind what they share",
    ],
    [{ prompt: "A", completions: [], labels: [] }, "completions: expected steps, got an empty list"],
    [
      { prompt: "A", completions: ["B", ""], labels: [true, false] },
      'completions[1]: expected the text of a step, got ""',
    ],
    [{ prompt: "A", completions: ["B"], labels: [1] }, "labels[0]: expected true or false, got 1"],
    [
      { prompt: "A", completions: ["B"], labels: [true, false] },
      "labels: expected one for each of 1 completions, got 2",
    ],
    [{ data_source: "x", prompt: "A", reward_model: {} }, 'prompt: expected a list, got "A"'],
    [
      { data_source: "x", prompt: [u("A")], reward_model: { style: "rule" } },
      'reward_model: expected an object with ground_truth, got {"style":"rule"}',
    ],
    [
      { conversations: [{ from: "bing", value: "A" }] },
      'conversations[0].from: expected one of human, user, gpt, assistant, observation, tool, function_call, system, got "bing"',
    ],
    [
      {
        conversations: [
          { from: "human", value: "A" },
          { from: "gpt", value: "" },
        ],
      },
      "conversations[1].value (gpt): expected an answer, got an empty text",
    ],
    [
      {
        conversations: [
          { from: "human", value: "A" },
          { from: "human", value: "B" },
        ],
      },
      "conversations[1] (human): expected an answer between two messages of the user (can be allowed: repeated-user)",
    ],
    [
      {
        conversations: [
          { from: "human", value: "A" },
          { from: "function_call", value: "f()" },
        ],
      },
      'conversations[1].value (function_call): expected JSON text of a call, got "f()"',
    ],
    [
      {
        conversations: [
          { from: "system", value: "S" },
          { from: "human", value: "A" },
        ],
        system: "T",
      },
      "system: expected one system text; the conversation begins with another",
    ],
    [
      { conversations: [{ from: "human", value: "A" }], chosen: { from: "gpt", value: "B" } },
      "rejected: expected a turn with from and value, got nothing",
    ],
    [
      {
        conversations: [
          { from: "human", value: "A" },
          { from: "gpt", value: "B" },
        ],
        tools: "x=1",
      },
      'tools: expected JSON text of a list, got "x=1"',
    ],
    [{ instruction: " ", output: "B" }, 'instruction: expected a message of the user, got " "'],
    [{ instruction: "A", output: "" }, "output (assistant): expected an answer, got an empty text"],
    [
      { instruction: "A", output: "B", history: [["q"]] },
      'history[0]: expected a pair of question and answer, got ["q"]',
    ],
    [
      { instruction: "A", output: "B", history: [["q", ""]] },
      "history[0][1] (assistant): expected an answer, got an empty text",
    ],
    [{ text: 3 }, "text: expected a text, got 3"],
  ])("of other formats: %j", (fields, message) => {
    expect(refused(fields)).toBe(message);
  });

  test("a row is read as the format that is asked for", () => {
    const row = { prompt: "A", messages: [u("B"), a("C")] };
    expect(read(row).format).toBe("messages");
    expect(read(row, {}, "prompt").record).toMatchObject({ kind: "prompt", columns: { messages: row.messages } });
    expect(refused(row, {}, "alpaca")).toBe("instruction: expected a text, got nothing");
  });
});
