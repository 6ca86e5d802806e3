import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tool } from "./chatRequest.js";
import { callsGrammar, ForcedCallParser } from "./forcedCalls.js";
import { ToolParser, type ToolReader } from "./toolParser.js";

const calls = "<\uff5ctool\u2581calls\u2581begin\uff5c>";
const callsEnd = "<\uff5ctool\u2581calls\u2581end\uff5c>";
const call = "<\uff5ctool\u2581call\u2581begin\uff5c>";
const callEnd = "<\uff5ctool\u2581call\u2581end\uff5c>";
const sep = "<\uff5ctool\u2581sep\uff5c>";
const v3 = (name: string, args: string): string =>
  `${call}function${sep}${name}\n\`\`\`json\n${args}\n\`\`\`${callEnd}`;
const v31 = (name: string, args: string): string => `${call}${name}${sep}${args}${callEnd}`;

interface Result {
  readonly content: string;
  readonly calls: { readonly name: string; arguments: string }[];
}

function read(pieces: readonly string[], reader: ToolReader = new ToolParser()): Result {
  const result = { content: "", calls: [] as { name: string; arguments: string }[] };
  for (const part of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]) {
    if (part.kind === "content") result.content += part.text;
    else if (part.kind === "call") {
      expect(part.index).toBe(result.calls.length);
      result.calls.push({ name: part.name, arguments: "" });
    } else result.calls[part.index]!.arguments += part.text;
  }
  return result;
}

const two = [
  { name: "weather", arguments: '{"city": "Oslo"}' },
  { name: "time", arguments: '{"zone": "```", "n": [1, 2]}' },
];

test("calls in the form of V3 and of V3.1 give the same", () => {
  const first = two.map(({ name, arguments: args }) => v3(name, args)).join("\n");
  const second = two.map(({ name, arguments: args }) => v31(name, args)).join("");
  expect(read([`Let me look.${calls}${first}${callsEnd}`])).toEqual({ content: "Let me look.", calls: two });
  expect(read([`Let me look.${calls}${second}${callsEnd}`])).toEqual({ content: "Let me look.", calls: two });
  // DeepSeek's template writes later rounds without the marker that opens them.
  expect(read([`${first}${callsEnd}`])).toEqual({ content: "", calls: two });
  expect(read([`${calls}${v31("function", "{}")}${callsEnd}`])).toEqual({
    content: "",
    calls: [{ name: "function", arguments: "{}" }],
  });
});

test("what was cut off keeps what had come", () => {
  expect(read([`a${calls}${call}function${sep}weather\n\`\`\`json\n{"city": "Os`])).toEqual({
    content: "a",
    calls: [{ name: "weather", arguments: '{"city": "Os' }],
  });
  expect(read([`a${calls}${call}func`])).toEqual({ content: `a${call}func`, calls: [] });
  expect(read([`a ${calls.slice(0, 5)}`])).toEqual({ content: `a ${calls.slice(0, 5)}`, calls: [] });
});

test("a call's arguments come while they are written", () => {
  const parser = new ToolParser();
  parser.push(`${calls}${call}function${sep}weather\n\`\`\`json\n`);
  expect(parser.push('{"city": "O')).toEqual([{ kind: "arguments", index: 0, text: '{"city": "O' }]);
  expect(parser.push('slo"}')).toEqual([{ kind: "arguments", index: 0, text: 'slo"}' }]);
  expect(parser.push("\n``")).toEqual([]);
});

test("how the text is cut makes no difference", () => {
  const text = `Hm <${calls}${v3("a", '{"x": "<|"}')}\n${v31("b", "{}")}${callsEnd} so`;
  const whole = read([text]);
  expect(whole.content).toBe("Hm < so");
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      expect(read(places.slice(1).map((to, i) => text.slice(places[i], to)))).toEqual(whole);
    }),
  );
});

test("forced calls are read from their list as it comes", () => {
  const list = '[{"name": "weather", "arguments": {"city": "O\\"}slo"}},\n {"name":"time","arguments":{"n":[1,{}]}}]';
  const expected = {
    content: "",
    calls: [
      { name: "weather", arguments: '{"city": "O\\"}slo"}' },
      { name: "time", arguments: '{"n":[1,{}]}' },
    ],
  };
  fc.assert(
    fc.property(fc.array(fc.nat(list.length)), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), list.length];
      const pieces = places.slice(1).map((to, i) => list.slice(places[i], to));
      expect(read(pieces, new ForcedCallParser())).toEqual(expected);
    }),
  );
});

test("the grammar of forced calls moves a tool's references with its schema", () => {
  const parameters = { type: "object", properties: { a: { $ref: "#/$defs/a" } }, $defs: { a: { type: "integer" } } };
  const tool: Tool = { type: "function", function: { name: "f", parameters } };
  const grammar = callsGrammar([tool], false);
  expect(grammar).toMatchObject({
    kind: "json_schema",
    schema: { maxItems: 1, $defs: { tool0: { properties: { a: { $ref: "#/$defs/tool0/$defs/a" } } } } },
  });
});
