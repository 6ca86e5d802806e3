/**
 * Jinja templates of task files, rendered strictly: a variable, column or element that is not there is an error with the template's text, and
 * never an empty string in a prompt. White space is kept as it stands, the last line end too, as lm-eval does; the templates of chats
 * (tokenizer/chatTemplate.ts) have other rules. A template that is one expression can also give its value, a list for instance.
 *
 * Beside what the library has: `list.index(x)`, which task files use to find the right choice.
 */
import * as jinja from "@huggingface/jinja";
import type { Doc } from "../taskFile.js";

// The library's own types do not resolve from an ES module; these are the parts that are used.
interface Value {
  readonly type: string;
  readonly value: unknown;
  toString(): string;
}

interface Scope {
  readonly variables: Map<string, Value>;
  set(name: string, value: unknown): Value;
}

interface ParsedNode {
  readonly type: string;
  readonly body?: readonly ParsedNode[];
  readonly value?: unknown;
  readonly object?: ParsedNode;
  readonly property?: ParsedNode;
  readonly computed?: boolean;
  readonly callee?: ParsedNode;
  readonly args?: readonly ParsedNode[];
  readonly test?: ParsedNode;
  readonly filter?: ParsedNode;
}

interface LibraryInterpreter {
  run(program: ParsedNode): Value;
  evaluate(node: ParsedNode | undefined, scope: Scope): Value;
}

const { Environment, Interpreter, parse, tokenize } = jinja as unknown as {
  readonly Environment: new () => Scope;
  readonly Interpreter: new (scope: Scope) => LibraryInterpreter;
  readonly parse: (tokens: unknown) => ParsedNode;
  readonly tokenize: (source: string) => unknown;
};

export interface CompiledTemplate {
  /** @throws RangeError naming the template, for a variable that is not there and what the library refuses */
  render(variables: Doc): string;
  /** The value of a template that is a single expression; of any other its text. */
  evaluate(variables: Doc): unknown;
}

/** Whether a text of a task file is a template and not a column or a constant. */
export function isTemplate(text: string): boolean {
  return text.includes("{{") || text.includes("{%");
}

/** @throws RangeError when the source is no valid template */
export function compileTemplate(source: string): CompiledTemplate {
  const shown = JSON.stringify(source.length > 200 ? `${source.slice(0, 200)}...` : source);
  const explained = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw new RangeError(`template ${shown}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  // The library drops one line end at the end of a source.
  const program = explained(() => parse(tokenize(source.endsWith("\n") ? `${source}\n` : source)));
  const [only, ...others] = program.body ?? [];
  const isExpression = others.length === 0 && only !== undefined && !statements.has(only.type);
  return {
    render: (variables) => explained(() => new StrictInterpreter(scope(variables)).run(program).toString()),
    evaluate: (variables) =>
      explained(() => {
        const environment = scope(variables);
        const interpreter = new StrictInterpreter(environment);
        return plain(isExpression ? interpreter.evaluate(only, environment) : interpreter.run(program));
      }),
  };
}

const statements: ReadonlySet<string> = new Set([
  ...["Set", "If", "For", "Macro", "CallStatement", "FilterStatement", "Break", "Continue", "Comment"],
]);

function scope(variables: Doc): Scope {
  const environment = new Environment();
  for (const name of ["true", "True"]) environment.set(name, true);
  for (const name of ["false", "False"]) environment.set(name, false);
  for (const name of ["none", "None"]) environment.set(name, null);
  environment.set("range", range);
  // Columns may be called like one of these; they come last.
  for (const [name, value] of Object.entries(variables)) {
    environment.variables.delete(name);
    environment.set(name, value);
  }
  return environment;
}

function range(a: number, b?: number, step = 1): number[] {
  const [from, to] = b === undefined ? [0, a] : [a, b];
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
}

class StrictInterpreter extends Interpreter {
  /** Within the operand of `is defined`, `is undefined` or `default`, where what is missing is asked about. */
  #lenient = 0;

  override evaluate(node: ParsedNode | undefined, environment: Scope): Value {
    if (!node) return super.evaluate(node, environment);
    if (asksForMissing(node)) {
      this.#lenient++;
      try {
        return super.evaluate(node, environment);
      } finally {
        this.#lenient--;
      }
    }
    const index = this.#listIndex(node, environment);
    if (index !== null) return index;
    const value = super.evaluate(node, environment);
    if (value.type !== "UndefinedValue" || this.#lenient > 0) return value;
    if (node.type === "Identifier") throw new Error(`${String(node.value)} is not defined`);
    if (node.type !== "MemberExpression") return value;
    const member = node.computed ? "the element asked for" : JSON.stringify(node.property?.value);
    throw new Error(`${member} is not there`);
  }

  /** `[...].index(x)`; null for anything else. */
  #listIndex({ type, callee, args }: ParsedNode, environment: Scope): Value | null {
    if (type !== "CallExpression" || callee?.type !== "MemberExpression" || callee.computed || !callee.object) {
      return null;
    }
    if (callee.property?.value !== "index" || args?.length !== 1) return null;
    const list = this.evaluate(callee.object, environment);
    if (list.type !== "ArrayValue" && list.type !== "TupleValue") return null;
    const wanted = plain(this.evaluate(args[0], environment));
    const at = (plain(list) as readonly unknown[]).indexOf(wanted);
    if (at < 0) throw new Error(`${JSON.stringify(wanted)} is not in the list`);
    return new Environment().set("at", at);
  }
}

function asksForMissing({ type, test, filter }: ParsedNode): boolean {
  if (type === "TestExpression") return test?.value === "defined" || test?.value === "undefined";
  if (type !== "FilterExpression") return false;
  const name = filter?.type === "CallExpression" ? filter.callee?.value : filter?.value;
  return name === "default" || name === "d";
}

/** A value of the library's as JavaScript has it. */
function plain(value: Value): unknown {
  if (value.type === "UndefinedValue" || value.type === "NullValue") return null;
  const inner: unknown = value.value;
  if (Array.isArray(inner)) return inner.map((each) => plain(each as Value));
  if (inner instanceof Map) {
    return Object.fromEntries([...(inner as Map<string, Value>)].map(([key, each]) => [key, plain(each)]));
  }
  return inner;
}
