/** JavaScript programs that do what was asked, in every form in which they are judged, and programs that are plainly wrong. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asserts, calls, lines, type Row, stdin } from "../../test/sandbox/rows.js";
import { openSandbox, type Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2, languages: ["javascript"] });
});
afterAll(() => sandbox.close());

const programs: readonly Row[] = [
  {
    name: "a function and asserts",
    run: asserts("const f = (x) => x * 2;", ["assert(f(2) === 4)", "assert.deepStrictEqual([f(1)], [2])"]),
  },
  {
    name: "MultiPL-E's form",
    run: asserts(
      "function has(xs, t) { return xs.some((a, i) => xs.slice(i + 1).some((b) => Math.abs(a - b) < t)); }",
      [
        lines(
          "const assert = require('node:assert');",
          "function test() {",
          "  let candidate = has;",
          "  assert.deepEqual(candidate([1.0, 2.0, 2.05], 0.1), true);",
          "  assert.deepEqual(candidate([1.0, 2.0], 0.5), false);",
          "}",
          "test();",
        ),
      ],
    ),
  },
  {
    name: "a class with state",
    run: asserts(
      lines(
        "class Stack { #a = []; push(x) { this.#a.push(x); return this;",
        "} pop() { return this.#a.pop(); } get size() { return this.#a.length;",
        "} has(x) { return this.#a.includes(x); } *[Symbol.iterator]() { yield* this.#a;",
        "} static of(...xs) { const s = new Stack(); xs.forEach((x) => s.push(x)); return s; } }",
      ),
      [
        lines(
          "const s = new Stack();",
          "s.push(1).push(2);",
          "assert.equal(s.size, 2);",
          "assert(s.has(1) && !s.has(5));",
          "assert.deepEqual([...s], [1, 2]);",
          "assert.equal(s.pop(), 2);",
          "assert(s instanceof Stack);",
          "assert.equal(Stack.of(7, 8).pop(), 8);",
        ),
      ],
    ),
  },
  {
    name: "what a factory returns",
    run: asserts(
      "const makeCounter = () => { let n = 0; return { add(k = 1) { n += k; return this; }, get value() { return n; } }; };",
      ["const c = makeCounter();\nc.add().add(4);\nassert.equal(c.value, 5);"],
    ),
  },
  {
    name: "in-place changes",
    run: asserts("function f(a, o, m) { a.reverse(); o.n = a.length; m.set('k', 1); }", [
      lines(
        "const a = [1, 2], o = {}, m = new Map();",
        "f(a, o, m);",
        "assert.deepStrictEqual([a, o, m], [[2, 1], { n: 2 }, new Map([['k', 1]])]);",
      ),
    ]),
  },
  {
    name: "functions in both directions",
    run: asserts("const compose = (...fs) => (x) => fs.reduceRight((v, f) => f(v), x);", [
      "assert.equal(compose((x) => x + 1, (x) => x * 2)(5), 11)",
    ]),
  },
  {
    name: "promises",
    run: asserts(
      lines(
        "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));",
        "async function f(x) { await sleep(5000); if (x < 0) throw new RangeError('negative'); return x + 1; }",
      ),
      ["assert.equal(await f(1), 2)", "await assert.rejects(f(-1), RangeError)"],
    ),
  },
  {
    name: "errors",
    run: asserts(
      lines(
        "class Bad extends Error { constructor(m) { super(m); this.name = 'Bad'; } }",
        "function f(x) { if (x < 0) throw new Bad('negative'); if (x === 0) throw new TypeError('zero'); return x; }",
      ),
      [
        "assert.throws(() => f(-1), /negative/)",
        "assert.throws(() => f(-1), Bad)",
        "assert.throws(() => f(0), TypeError)",
        "assert.throws(() => f(0), { message: 'zero' })",
      ],
    ),
  },
  {
    name: "values of all kinds",
    run: asserts(
      lines(
        "const f = () => [undefined, null, NaN, -0, 10n ** 30n, new Map([[1, { a: [2] }]]),",
        "new Set(['x']), new Date(0), /a/gi, new Uint8Array([1, 2]), '𝒳']",
      ),
      [
        lines(
          "assert.deepStrictEqual(f(), [undefined, null, NaN, -0, 10n ** 30n, new Map([[1,",
          "{ a: [2] }]]), new Set(['x']), new Date(0), /a/gi, new Uint8Array([1, 2]), '𝒳'])",
        ),
      ],
    ),
  },
  { name: "exports of a module", run: asserts("export function f(x) { return x + 1; }", ["assert.equal(f(1), 2)"]) },
  {
    name: "exports in the older form",
    run: asserts("const g = (x) => x + 1; module.exports = { f: g };", ["assert.equal(f(1), 2)"]),
  },
  {
    name: "generators",
    run: asserts("function* f() { for (let n = 0; ; n++) yield n * n; }", [
      "const g = f();\nassert.deepEqual([g.next().value, g.next().value, g.next().value], [0, 1, 4])",
    ]),
  },
  {
    name: "calls with JSON values",
    run: calls("const f = (a, b) => ({ sum: a.reduce((x, y) => x + y, 0), b })", "f", [
      [[1, 2, 3], { x: null }],
      { sum: 6, b: { x: null } },
    ]),
  },
  {
    name: "calls of a method",
    run: calls("class Solution { f(n) { return n === 0 ? [] : [n, ...this.f(n - 1)]; } }", "Solution.f", [
      [3],
      [3, 2, 1],
    ]),
  },
  {
    name: "standard input at once",
    run: stdin(
      lines(
        "const [n, ...xs] = require('fs').readFileSync(0, 'utf8').split(/\\s+/).map(Number);",
        "console.log(xs.slice(0, n).reduce((a, b) => a + b, 0));",
      ),
      ["2\n1 2\n", "3"],
    ),
  },
  {
    name: "standard input by lines",
    run: stdin(
      lines(
        "const rl = require('readline').createInterface({ input: process.stdin });",
        "const lines = [];",
        "rl.on('line', (l) => lines.push(l)).on('close', () => console.log(lines.reverse().join('\\n')));",
      ),
      ["a\nb\nc\n", "c\nb\na"],
    ),
  },
  {
    name: "standard input by events",
    run: stdin(
      lines(
        "let s = '';",
        "process.stdin.setEncoding('utf8');",
        "process.stdin.on('data', (d) => (s += d));",
        "process.stdin.on('end', () => { process.stdout.write(s.trim().toUpperCase()); process.exit(0); });",
      ),
      ["abc\n", "ABC"],
    ),
  },
  {
    name: "printed objects",
    run: stdin(
      lines(
        "console.log([1, 'a', { b: [2] }], new Map([[1, 2]]), null, undefined, 'x', -0, 5n);",
        "console.log('%s is %d', 'n', 3, 4);",
      ),
      ["", "[ 1, 'a', { b: [ 2 ] } ] Map(1) { 1 => 2 } null undefined x -0 5n\nn is 3 4"],
    ),
  },
  { name: "deep recursion", run: calls("const f = (n) => (n === 0 ? 0 : 1 + f(n - 1));", "f", [[2000], 2000]) },
  {
    name: "a wrong value",
    run: asserts("const f = (x) => x;", ["assert.equal(f(1), 2)"]),
    outcome: "failed",
    message: "AssertionError: equal: got 1, expected 2",
  },
  {
    name: "a missing function",
    run: asserts("const g = 1;", ["assert.equal(f(1), 2)"]),
    outcome: "failed",
    message: "ReferenceError: 'f' is not defined",
  },
  {
    name: "an exception",
    run: calls("const f = () => { throw new TypeError('no'); };", "f", [[], 1]),
    outcome: "failed",
    message: "TypeError: no",
  },
  {
    name: "a syntax error",
    run: asserts("const f = (;", ["assert.equal(f(1), 2)"]),
    outcome: "failed",
    message: "SyntaxError: unexpected token in expression: ';'",
  },
  {
    name: "tests that do not compile",
    run: asserts("x = 1", ["assert(("]),
    outcome: "invalid",
    message: "SyntaxError: unexpected token in expression: ''",
  },
  {
    name: "tests that use nothing of the program",
    run: asserts("x = 1", ["assert(true)"]),
    outcome: "invalid",
    message: "the tests use nothing of the program",
  },
];

describe.concurrent("javascript", () => {
  test.for(programs)("$name", async ({ run, outcome = "passed", message = "" }) => {
    const result = await sandbox.run({ language: "javascript", ...run });
    expect({ outcome: result.outcome, message: result.message }).toEqual({ outcome, message });
  });
});
