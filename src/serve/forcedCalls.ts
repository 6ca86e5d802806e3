/**
 * Calls that a request insists on (`tool_choice` required, or a named function): the model is held by a grammar to a JSON list of
 * `{"name": ..., "arguments": ...}`, whose arguments follow the schema of their tool, and the list is read back as it is written.
 * Deviation: the form that models are trained on stands between control tokens (toolParser.ts), for which a model must have been trained.
 * Calls that are left to the model are in that form, and held to a schema there if a tool is `strict`.
 */
import type { Grammar } from "../generate/grammar/constraint.js";
import type { JsonSchema } from "../generate/grammar/jsonSchema.js";
import type { Tool } from "./chatRequest.js";
import type { ToolPart, ToolReader } from "./toolParser.js";

/** Most calls of one answer. */
const mostCalls = 16;

/** What `strict` tools ask for where calls are the model's own: once it begins one, its arguments follow the schema. Null: no tool is strict. */
export function strictGrammar(tools: readonly Tool[]): Grammar | null {
  if (!tools.some((tool) => tool.function.strict)) return null;
  const callable = tools.map(({ function: { name, strict, parameters } }) => ({
    name,
    schema: strict ? schemaOf(parameters) : null,
  }));
  return { kind: "tool_calls", tools: callable };
}

function schemaOf(parameters: Tool["function"]["parameters"]): JsonSchema {
  return parameters ?? { type: "object", properties: {} };
}

/** @param tools those that may be called; at least one */
export function callsGrammar(tools: readonly Tool[], isParallel: boolean): Grammar {
  const definitions = tools.map(({ function: { parameters } }, i): [string, JsonSchema] => [
    `tool${i}`,
    rebased(schemaOf(parameters), `#/$defs/tool${i}`) as JsonSchema,
  ]);
  const calls = tools.map(({ function: { name } }, i) => ({
    type: "object",
    properties: { name: { const: name }, arguments: { $ref: `#/$defs/tool${i}` } },
    required: ["name", "arguments"],
  }));
  return {
    kind: "json_schema",
    schema: {
      type: "array",
      items: calls.length === 1 ? calls[0] : { anyOf: calls },
      minItems: 1,
      maxItems: isParallel ? mostCalls : 1,
      $defs: Object.fromEntries(definitions),
    },
  };
}

/** A schema that has moved: its references start at `base`. */
function rebased(value: unknown, base: string): unknown {
  if (Array.isArray(value)) return value.map((item) => rebased(item, base));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === "$ref" && typeof inner === "string" && inner.startsWith("#")
        ? base + inner.slice(1)
        : rebased(inner, base),
    ]),
  );
}

/** Reads the list that `callsGrammar` allows. */
export class ForcedCallParser implements ToolReader {
  #text = "";
  #index = -1;
  /** Open brackets of the arguments that are being read; null between calls. */
  #depth: number | null = null;
  #isString = false;
  #isEscaped = false;

  push(text: string): ToolPart[] {
    this.#text += text;
    const parts: ToolPart[] = [];
    for (;;) {
      if (this.#depth === null && !this.#open(parts)) return parts;
      const end = this.#scan();
      const given = this.#text.slice(0, end ?? this.#text.length);
      if (given !== "") parts.push({ kind: "arguments", index: this.#index, text: given });
      this.#text = this.#text.slice(given.length);
      if (end === null) return parts;
      this.#depth = null;
    }
  }

  end(): ToolPart[] {
    return [];
  }

  #open(parts: ToolPart[]): boolean {
    const opening = /^[\s[\],}]*\{\s*"name"\s*:\s*"([^"\\]*)"\s*,\s*"arguments"\s*:\s*(?=\S)/.exec(this.#text);
    if (!opening) return false;
    this.#text = this.#text.slice(opening[0].length);
    this.#depth = 0;
    parts.push({ kind: "call", index: ++this.#index, name: opening[1] ?? "" });
    return true;
  }

  /** @returns where the arguments end in the text, or null if they go on */
  #scan(): number | null {
    for (let i = 0; i < this.#text.length; i++) {
      const c = this.#text[i];
      if (this.#isString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (c === "\\") this.#isEscaped = true;
        else if (c === '"') this.#isString = false;
      } else if (c === '"') this.#isString = true;
      else if (c === "{" || c === "[") this.#depth = (this.#depth ?? 0) + 1;
      else if (c === "}" || c === "]") {
        if (this.#depth === 0) return i; // of a value that is no object: the call's own bracket
        this.#depth = (this.#depth ?? 0) - 1;
        if (this.#depth === 0) return i + 1;
      }
    }
    return null;
  }
}
