/**
 * JSON Schema as an automaton over the JSON texts that a model may write. Keys come in the order of the schema, other keys only where the
 * schema has `additionalProperties`; between tokens of JSON there may be one space, or a line break and indentation. A schema that refers
 * to itself is unrolled a few levels deep. What is no regular condition (uniqueItems, minProperties, not, ...) is refused by name, and so
 * is every key that this file does not know: nothing of a schema is ignored in silence but its annotations.
 */
import { choice, type Fragment, literal, optional, repeat, sequence } from "./automaton.js";
import { characters, complement } from "./characters.js";
import { type Bound, numbersWithin } from "./numberRange.js";
import { regex } from "./regex.js";

export type JsonSchema = boolean | { readonly [key: string]: unknown };

export const maxSchemaDepth = 64;
export const maxEnumValues = 2000;
export const maxUnrolling = 4;
/** Nesting of values that a schema leaves open. */
export const freeDepth = 4;
const maxCount = 1000;

const annotations = new Set([
  ...["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"],
  ...["deprecated", "readOnly", "writeOnly", "strict"],
]);
const numberKeys = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/** Keys with a meaning here, by the type of value that they are about. */
const keysOf: Readonly<Record<string, readonly string[]>> = {
  string: ["minLength", "maxLength", "pattern", "format"],
  integer: numberKeys,
  number: numberKeys,
  boolean: [],
  null: [],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  object: ["properties", "required", "additionalProperties"],
};
const types = Object.keys(keysOf);
const combining = ["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];

const gap = optional(choice(literal(" "), sequence(literal("\n"), repeat(choice(literal(" "), literal("\t")), 0, 16))));
const quote = literal('"');
/** \u of a whole character: of the basic plane, or a pair of surrogates. */
const unicodeEscape = regex(
  "\\\\u([0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})",
);
/** What may stand in a JSON string as it is. */
const plainCharacters = complement([
  [0x00, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]);
const stringCharacter = choice(characters(plainCharacters), regex('\\\\["\\\\/bfnrt]'), unicodeEscape);
const anyString = sequence(quote, repeat(stringCharacter, 0, null), quote);
const anyInteger = regex("-?(0|[1-9][0-9]{0,15})");
const anyNumber = regex("-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,16})?([eE][+-]?[0-9]{1,3})?");

const day = "([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))";
const clock = "(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))";
const formats: Readonly<Record<string, string>> = {
  date: day,
  time: clock,
  "date-time": `${day}T${clock}`,
  uuid: "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
  email: "[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63}){1,4}",
  ipv4: "((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
};

/** Any JSON object, freeDepth levels deep: `response_format: json_object`. */
export function jsonObject(): Fragment {
  return freeObject(freeDepth);
}

/** @param path how messages name the schema @throws RangeError naming the place and what is wrong there */
export function jsonSchema(schema: JsonSchema, path = "schema"): Fragment {
  return new Compiler(schema, path).value(schema, { path, depth: 0, unrolled: new Map() });
}

interface Place {
  readonly path: string;
  readonly depth: number;
  /** How often each reference was followed on the way here. */
  readonly unrolled: ReadonlyMap<string, number>;
}

class Compiler {
  readonly #root: JsonSchema;
  readonly #rootPath: string;

  constructor(root: JsonSchema, rootPath: string) {
    this.#root = root;
    this.#rootPath = rootPath;
  }

  value(schema: unknown, place: Place): Fragment {
    if (schema === true) return freeValue(Math.max(1, freeDepth - place.depth));
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
      return refuse(place, `must be an object or true, got ${show(schema)}`);
    }
    if (place.depth > maxSchemaDepth) return refuse(place, `is nested more than ${maxSchemaDepth} deep`);
    const s = schema as Readonly<Record<string, unknown>>;
    this.#checkKeys(s, place);
    if (s.$ref !== undefined) return this.#reference(s, place);
    if (s.const !== undefined) return literalValue(s.const, place);
    if (s.enum !== undefined) return enumeration(s.enum, place);
    for (const key of ["anyOf", "oneOf"] as const) {
      if (s[key] !== undefined) return this.#anyOf(s[key], below(place, key));
    }
    if (s.allOf !== undefined) return this.#allOf(s, place);
    if (Array.isArray(s.type)) {
      if (s.type.length === 0) return refuse(place, "type is an empty list");
      return choice(...s.type.map((type) => this.#typed(s, type, place)));
    }
    if (s.type === undefined) {
      // Integers are numbers.
      const implied = types.filter((type) => type !== "integer" && keysOf[type]?.some((key) => s[key] !== undefined));
      if (implied.length === 0) return freeValue(Math.max(1, freeDepth - place.depth));
      return choice(...implied.map((type) => this.#typed(s, type, place)));
    }
    return this.#typed(s, s.type, place);
  }

  #checkKeys(s: Readonly<Record<string, unknown>>, place: Place): void {
    const known = [...combining, ...Object.values(keysOf).flat()];
    for (const key of Object.keys(s)) {
      if (!annotations.has(key) && !known.includes(key)) refuse(place, `has ${show(key)}, which is not supported here`);
    }
  }

  #typed(s: Readonly<Record<string, unknown>>, type: unknown, place: Place): Fragment {
    switch (type) {
      case "string":
        return stringOf(s, place);
      case "integer":
        return numberOf(s, true, place);
      case "number":
        return numberOf(s, false, place);
      case "boolean":
        return choice(literal("true"), literal("false"));
      case "null":
        return literal("null");
      case "array":
        return this.#array(s, place);
      case "object":
        return this.#object(s, place);
      default:
        return refuse(place, `type must be one of ${types.join(", ")}, got ${show(type)}`);
    }
  }

  #reference(s: Readonly<Record<string, unknown>>, place: Place): Fragment {
    const { $ref: ref } = s;
    if (typeof ref !== "string" || !ref.startsWith("#"))
      return refuse(place, `$ref must begin with #, got ${show(ref)}`);
    const times = (place.unrolled.get(ref) ?? 0) + 1;
    if (times > maxUnrolling) throw new TooDeep(ref);
    let target: unknown = this.#root;
    for (const part of ref.slice(1).split("/").filter(Boolean)) {
      const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      target = typeof target === "object" && target !== null ? (target as Record<string, unknown>)[key] : undefined;
    }
    if (target === undefined) return refuse(place, `$ref ${show(ref)} leads nowhere in ${this.#rootPath}`);
    const unrolled = new Map(place.unrolled).set(ref, times);
    return this.value(target, { path: place.path, depth: place.depth + 1, unrolled });
  }

  /** Alternatives that refer to themselves once too often are left out; one must remain. */
  #anyOf(options: unknown, place: Place): Fragment {
    if (!Array.isArray(options) || options.length === 0) return refuse(place, "must be a list of schemas");
    if (options.length > maxEnumValues) return refuse(place, `has more than ${maxEnumValues} alternatives`);
    const kept = options.flatMap((option, i) => ifFinite(() => this.value(option, below(place, i))) ?? []);
    if (kept.length === 0) throw new TooDeep(place.path);
    return choice(...kept);
  }

  #allOf(s: Readonly<Record<string, unknown>>, place: Place): Fragment {
    const { allOf, ...rest } = s;
    if (!Array.isArray(allOf) || allOf.length !== 1 || Object.keys(rest).some((key) => !annotations.has(key))) {
      return refuse(place, "allOf is supported with one schema and nothing beside it");
    }
    return this.value(allOf[0], below(place, "allOf/0"));
  }

  #array(s: Readonly<Record<string, unknown>>, place: Place): Fragment {
    const prefix = s.prefixItems === undefined ? [] : listOf(s.prefixItems, below(place, "prefixItems"));
    const least = countOf(s, "minItems", place) ?? 0;
    const most = countOf(s, "maxItems", place);
    if (most !== null && most < least) return refuse(place, `maxItems ${most} is less than minItems ${least}`);
    const first = prefix.map((schema, i) => this.value(schema, below(place, `prefixItems/${i}`)));
    const item = s.items === false ? null : ifFinite(() => this.value(s.items ?? true, below(place, "items")));
    if (item === null && (s.items ?? true) !== false && least > first.length) throw new TooDeep(place.path);
    const comma = sequence(gap, literal(","), gap);
    const end = sequence(gap, literal("]"));
    // From item number i on, none of them closing the list before `least`.
    const rest = (i: number): Fragment => {
      if (i < first.length) {
        const here = sequence(...(i > 0 ? [comma] : []), first[i] ?? literal(""), rest(i + 1));
        return i >= least ? choice(end, here) : here;
      }
      const more = item && (most === null || most > i) ? item : null;
      if (!more) {
        if (least > i) refuse(place, `minItems ${least} is more than the ${i} items that it may have`);
        return end;
      }
      const needed = Math.max(0, least - i);
      const room = most === null ? null : most - i;
      if (i > 0) return sequence(repeat(sequence(comma, more), needed, room), end);
      const others = sequence(
        more,
        repeat(sequence(comma, more), Math.max(0, needed - 1), room === null ? null : room - 1),
      );
      return sequence(needed > 0 ? others : optional(others), end);
    };
    return sequence(literal("["), gap, rest(0));
  }

  #object(s: Readonly<Record<string, unknown>>, place: Place): Fragment {
    const properties = s.properties ?? {};
    if (typeof properties !== "object" || properties === null || Array.isArray(properties)) {
      return refuse(below(place, "properties"), "must be an object");
    }
    const required = s.required === undefined ? [] : listOf(s.required, below(place, "required"));
    const extra = s.additionalProperties ?? s.properties === undefined;
    const known = Object.entries(properties);
    for (const name of required) {
      if (typeof name !== "string") return refuse(below(place, "required"), `must list names, got ${show(name)}`);
      if (!(name in properties)) return refuse(below(place, "required"), `names ${show(name)}, which is no property`);
    }
    const members = known.flatMap(([name, schema]) => {
      const isRequired = required.includes(name);
      const at = below(place, `properties/${name}`);
      const value = isRequired ? this.value(schema, at) : ifFinite(() => this.value(schema, at));
      return value ? [{ member: member(literal(JSON.stringify(name)), value), isRequired }] : [];
    });
    const more = extra === false ? null : ifFinite(() => this.value(extra, below(place, "additionalProperties")));
    return objectOf(members, more ? member(anyString, more) : null);
  }
}

interface Member {
  readonly member: Fragment;
  readonly isRequired: boolean;
}

function member(name: Fragment, value: Fragment): Fragment {
  return sequence(name, gap, literal(":"), gap, value);
}

/** Members in order, the optional ones perhaps missing, then any number of `more`. Two lines of states: with and without a member so far. */
function objectOf(members: readonly Member[], more: Fragment | null): Fragment {
  const comma = sequence(gap, literal(","), gap);
  return (nfa, from) => {
    let none: number | null = sequence(literal("{"), gap)(nfa, from);
    let some: number | null = null;
    for (const { member, isRequired } of members) {
      const begin = nfa.state();
      if (none !== null) nfa.epsilon(none, begin);
      if (some !== null) nfa.epsilon(comma(nfa, some), begin);
      const after = nfa.state();
      nfa.epsilon(member(nfa, begin), after);
      if (isRequired) none = null;
      else if (some !== null) nfa.epsilon(some, after);
      some = after;
    }
    if (more) {
      const begin = nfa.state();
      const after = nfa.state();
      if (none !== null) nfa.epsilon(none, begin);
      if (some !== null) nfa.epsilon(some, after);
      nfa.epsilon(more(nfa, begin), after);
      nfa.epsilon(comma(nfa, after), begin);
      some = after;
    }
    const end = nfa.state();
    for (const at of [none, some]) if (at !== null) nfa.epsilon(at, end);
    return sequence(gap, literal("}"))(nfa, end);
  };
}

function freeValue(depth: number): Fragment {
  const simple = [anyString, anyNumber, literal("true"), literal("false"), literal("null")];
  if (depth <= 0) return choice(...simple);
  return choice(...simple, freeArray(depth), freeObject(depth));
}

function freeArray(depth: number): Fragment {
  const item = freeValue(depth - 1);
  const comma = sequence(gap, literal(","), gap);
  return sequence(
    literal("["),
    gap,
    optional(sequence(item, repeat(sequence(comma, item), 0, null))),
    gap,
    literal("]"),
  );
}

function freeObject(depth: number): Fragment {
  return objectOf([], member(anyString, freeValue(depth - 1)));
}

function stringOf(s: Readonly<Record<string, unknown>>, place: Place): Fragment {
  const least = countOf(s, "minLength", place) ?? 0;
  const most = countOf(s, "maxLength", place);
  const { pattern, format } = s;
  if (pattern !== undefined || format !== undefined) {
    if (s.minLength !== undefined || s.maxLength !== undefined || (pattern !== undefined && format !== undefined)) {
      return refuse(place, "has more than one of pattern, format and lengths; one condition is supported");
    }
    const source = pattern ?? formats[String(format)];
    if (typeof source !== "string") {
      return refuse(place, `has format ${show(format)}; supported: ${Object.keys(formats).join(", ")}`);
    }
    // Only those of the pattern's texts that need no escapes.
    return sequence(quote, regex(source, plainCharacters), quote);
  }
  if (most !== null && most < least) return refuse(place, `maxLength ${most} is less than minLength ${least}`);
  return sequence(quote, repeat(stringCharacter, least, most), quote);
}

function numberOf(s: Readonly<Record<string, unknown>>, isInteger: boolean, place: Place): Fragment {
  const given = numberKeys.filter((key) => s[key] !== undefined);
  if (given.length === 0) return isInteger ? anyInteger : anyNumber;
  const numberAt = (key: string): number | null => {
    const value = s[key];
    if (value === undefined) return null;
    if (typeof value !== "number" || !Number.isFinite(value))
      return refuse(place, `${key} must be a number, got ${show(value)}`);
    return value;
  };
  const bound = (plain: string, exclusive: string, sign: 1 | -1): Bound | null => {
    const [value, past] = [numberAt(plain), numberAt(exclusive)];
    if (past !== null && (value === null || sign * past >= sign * value)) return { value: past, isIncluded: false };
    return value === null ? null : { value, isIncluded: true };
  };
  const low = bound("minimum", "exclusiveMinimum", 1);
  const high = bound("maximum", "exclusiveMaximum", -1);
  let numbers: Fragment | null;
  try {
    numbers = numbersWithin({ low, high, isInteger, multipleOf: numberAt("multipleOf") });
  } catch (error) {
    return refuse(place, error instanceof Error ? error.message : String(error));
  }
  const asked = given.map((key) => `${key} ${show(s[key])}`).join(" and ");
  return numbers ?? refuse(place, `no ${isInteger ? "integer" : "number that can be written here"} has ${asked}`);
}

function enumeration(values: unknown, place: Place): Fragment {
  const list = listOf(values, below(place, "enum"));
  if (list.length === 0 || list.length > maxEnumValues) {
    return refuse(below(place, "enum"), `must have 1 to ${maxEnumValues} values, has ${list.length}`);
  }
  return choice(...list.map((value) => literalValue(value, place)));
}

function literalValue(value: unknown, place: Place): Fragment {
  const text = JSON.stringify(value);
  if (text === undefined) return refuse(place, `${show(value)} is no JSON value`);
  return literal(text);
}

function listOf(value: unknown, place: Place): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(place, `must be a list, got ${show(value)}`);
}

function countOf(s: Readonly<Record<string, unknown>>, key: string, place: Place): number | null {
  const value = s[key];
  if (value === undefined) return null;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > maxCount) {
    return refuse(place, `${key} must be a whole number from 0 to ${maxCount}, got ${show(value)}`);
  }
  return value as number;
}

/** A reference that was followed as often as allowed. */
class TooDeep extends RangeError {
  constructor(what: string) {
    super(
      `${what} refers to itself in a place that must be filled, so that no text can satisfy it within ${maxUnrolling} levels`,
    );
  }
}

/** What a part that may be left out becomes: null where it would refer to itself once too often. */
function ifFinite(build: () => Fragment): Fragment | null {
  try {
    return build();
  } catch (error) {
    if (error instanceof TooDeep) return null;
    throw error;
  }
}

function below(place: Place, key: string | number): Place {
  return { ...place, path: `${place.path}/${key}`, depth: place.depth + 1 };
}

function refuse(place: Place, what: string): never {
  throw new RangeError(`${place.path}: ${what}`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
