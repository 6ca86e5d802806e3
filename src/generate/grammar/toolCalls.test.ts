import { expect, test } from "vitest";
import { byteTokenizer } from "../../../test/serve/scriptedModel.js";
import {
  toolCallBegin,
  toolCallEnd,
  toolCallsBegin,
  toolCallsEnd,
  toolSeparator,
} from "../../tokenizer/specialTokens.js";
import { Grammars } from "../grammars.js";
import { dead } from "./automaton.js";
import type { JsonSchema } from "./jsonSchema.js";

const tokenizer = byteTokenizer();
const city: JsonSchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [
  { name: "weather", schema: city },
  { name: "search", schema: null },
];
const constraint = new Grammars(tokenizer).constraint({ kind: "tool_calls", tools });

/** @returns "whole" if the text may end here, "open" if it must go on, else what of it could be written */
function followed(text: string, allowSpecial = true): string {
  const ids = tokenizer.encode(text, { allowSpecial });
  let state = constraint.start;
  for (const [i, id] of ids.entries()) {
    const isAllowed = ((constraint.mask(state)[id >>> 5] ?? 0) & (1 << (id & 31))) !== 0;
    const next = constraint.advance(state, id);
    // What is masked and what leads nowhere are the same.
    expect([text, i, isAllowed]).toEqual([text, i, next !== dead]);
    if (next === dead) return tokenizer.decode(Array.from(ids.slice(0, i)));
    state = next;
  }
  return constraint.isComplete(state) ? "whole" : "open";
}

/** The form of V3 and R1, and that of V3.1. */
const fenced = (name: string, args: string): string =>
  `${toolCallBegin}function${toolSeparator}${name}\n\`\`\`json\n${args}\n\`\`\`${toolCallEnd}`;
const bare = (name: string, args: string): string => `${toolCallBegin}${name}${toolSeparator}${args}${toolCallEnd}`;

test("text is free, and so are calls of tools that are not strict", () => {
  for (const text of [
    "",
    'It is 5 \u00b0C, {"city": 7}.',
    "<think>\nHm.</think>",
    `${toolCallsBegin}${toolCallsEnd}`,
  ]) {
    expect([text, followed(text)]).toEqual([text, "whole"]);
  }
  for (const form of [fenced, bare]) expect(followed(form("search", '{"city": 7'))).toBe("whole");
});

test("calls of strict tools follow their schema in both forms, several and with text around them", () => {
  for (const form of [fenced, bare]) {
    const call = form("weather", '{"city": "Oslo"}');
    expect(followed(call)).toBe("whole");
    expect(followed(`Look: ${toolCallsBegin}${call}\n${form("search", "?")}${call}${toolCallsEnd} done`)).toBe("whole");
    // Not to be ended within.
    for (let length = 1; length < 14; length++) {
      const end = call.length - toolCallEnd.length - length;
      expect(followed(call.slice(0, end))).toBe("open");
    }
    for (const [args, kept] of [
      ['{"city": 7}', '{"city": '],
      ['{"town": "Oslo"}', '{"'],
      ["{}", "{"],
      ['{"city": "Oslo"', '{"city": "Oslo"'],
      ["Oslo", ""],
    ] as const) {
      const begun = form("weather", args);
      // Between tokens of JSON there may be a line break.
      expect(followed(begun).trimEnd()).toBe((begun.slice(0, begun.indexOf(args)) + kept).trimEnd());
    }
  }
});

test("no other tool is called", () => {
  for (const form of [fenced, bare]) {
    const call = form("weathers", '{"city": "Oslo"}');
    expect(followed(call)).toBe(call.slice(0, call.indexOf("weathers") + "weather".length));
  }
});

test("a token that stands around calls is no text: within a string it cannot be written, only spelled", () => {
  const begun = bare("weather", '{"city": "').slice(0, -toolCallEnd.length);
  for (const mark of [toolCallEnd, toolCallBegin, toolSeparator, toolCallsEnd]) {
    expect(followed(begun + mark)).toBe(begun);
  }
  const held = new Grammars(tokenizer).constraint({ kind: "json_object" });
  let state = held.start;
  for (const id of tokenizer.encode('{"')) state = held.advance(state, id);
  const [end = 0] = tokenizer.encode(toolCallEnd, { allowSpecial: true });
  expect(held.advance(state, end)).toBe(dead);
  for (const id of tokenizer.encode(`${toolCallEnd}": 1}`)) state = held.advance(state, id);
  expect(held.isComplete(state)).toBe(true);
});

test("a single byte is not taken for the beginning of such a token", () => {
  const { ids, bytes } = {
    ids: Array.from({ length: tokenizer.vocabSize }, (_, id) => id),
    bytes: Uint8Array.of(0xff),
  };
  const id = ids.find((each) => Buffer.compare(tokenizer.idToBytes(each), bytes) === 0) ?? -1;
  expect(id).toBeGreaterThanOrEqual(0);
  expect(constraint.advance(constraint.start, id)).toBe(dead);
});

test("a schema that is not supported is named with its tool", () => {
  const grammar = { kind: "tool_calls", tools: [{ name: "f", schema: { minProperties: 1 } }] } as const;
  expect(() => new Grammars(tokenizer).constraint(grammar)).toThrow('schema of f: has "minProperties"');
});
