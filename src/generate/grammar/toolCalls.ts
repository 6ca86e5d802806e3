/**
 * Text in which tools may be called: free, but for the calls, whose names are those of the tools and whose arguments follow the schema of their
 * tool where it has one. Both forms are known that models are trained on (serve/toolParser.ts). The tokens that stand around calls are no
 * text here, so that no string of the arguments can hold one; its characters, spelled by other tokens, it can.
 */
import {
  toolCallBegin,
  toolCallEnd,
  toolCallsBegin,
  toolCallsEnd,
  toolSeparator,
} from "../../tokenizer/specialTokens.js";
import { byteRange, choice, type Fragment, literal, repeat, sequence } from "./automaton.js";
import { type JsonSchema, jsonSchema } from "./jsonSchema.js";

export interface CallableTool {
  readonly name: string;
  /** Null: its arguments are free. */
  readonly schema: JsonSchema | null;
}

const marks = [toolCallBegin, toolCallEnd, toolSeparator, toolCallsBegin, toolCallsEnd];
/** In no text of UTF-8: what begins with it is a token that stands around calls. */
const notText = 0xff;

/** Bytes of a token for grammars, by its text; null for what no grammar takes. */
export function grammarBytes(bytes: Uint8Array, text: string): Uint8Array | null {
  const mark = marks.indexOf(text);
  if (mark >= 0) return Uint8Array.of(notText, mark);
  return bytes.includes(notText) ? null : bytes;
}

/** @param tools at least one @throws RangeError for a schema that is wrong or not supported */
export function textWithCalls(tools: readonly CallableTool[]): Fragment {
  const anyByte = byteRange(0, notText - 1);
  const anything = repeat(anyByte, 0, null);
  const forms = tools.flatMap(({ name, schema }) => {
    const named = sequence(mark(toolSeparator), literal(name));
    if (schema === null) {
      const fenced = sequence(literal("function"), named, literal("\n"), anything);
      return [fenced, sequence(literal(name), mark(toolSeparator), anything)];
    }
    const held = jsonSchema(schema, `schema of ${name}`);
    const fenced = sequence(literal("function"), named, literal("\n```json\n"), held, literal("\n```"));
    return [fenced, sequence(literal(name), mark(toolSeparator), held)];
  });
  const call = sequence(mark(toolCallBegin), choice(...forms), mark(toolCallEnd));
  return repeat(choice(anyByte, mark(toolCallsBegin), mark(toolCallsEnd), call), 0, null);
}

function mark(text: string): Fragment {
  return sequence(byteRange(notText), byteRange(marks.indexOf(text)));
}
