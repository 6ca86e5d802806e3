/** Programs that do what was asked, in every form in which they are judged, and programs that are plainly wrong. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Outcome, ProgramRun } from "./program.js";
import { openSandbox, type Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2 });
});
afterAll(() => sandbox.close());

interface Row {
  readonly name: string;
  readonly run: Omit<ProgramRun, "language">;
  /** Default: passed. */
  readonly outcome?: Outcome;
  readonly message?: string;
}

function asserts(program: string, tests: readonly string[], rest: { setup?: string; entryPoint?: string } = {}): Row["run"] {
  return { program, tests: { kind: "asserts", tests, ...rest } };
}

function calls(program: string, entryPoint: string, ...cases: readonly [args: readonly unknown[], expected: unknown][]): Row["run"] {
  return { program, tests: { kind: "calls", entryPoint, cases: cases.map(([args, expected]) => ({ args, expected })) } };
}

function stdin(program: string, ...cases: readonly [input: string, output: string][]): Row["run"] {
  return { program, tests: { kind: "stdin", cases: cases.map(([input, output]) => ({ input, output })) } };
}

const python: readonly Row[] = [
  { name: "a function and asserts", run: asserts("def f(x):\n    return x * 2", ["assert f(2) == 4", "assert f('a') == 'aa'"]) },
  {
    name: "HumanEval's form: a check function that gets the candidate",
    run: asserts("from typing import List\ndef has(xs: List[float], t: float) -> bool:\n    return any(abs(a - b) < t for i, a in enumerate(xs) for b in xs[i + 1:])", [
      "METADATA = {}\n\ndef check(candidate):\n    assert candidate([1.0, 2.0, 2.05], 0.1) == True\n    assert candidate([1.0, 2.0], 0.5) == False\n\ncheck(has)",
    ]),
  },
  {
    name: "tests that use what the program imports",
    run: asserts("import math\ndef root(x):\n    return math.sqrt(x)", ["assert math.isclose(root(2.0), 1.41421356237, rel_tol=1e-9)"]),
  },
  {
    name: "a helper of the program used by the tests",
    run: asserts("def encode(s):\n    return s[1:] + s[0]\ndef decode(s):\n    return s[-1] + s[:-1]", ["from random import seed, choice\nseed(1)\nfor _ in range(5):\n    s = ''.join(choice('abc') for _ in range(9))\n    assert decode(encode(s)) == s"]),
  },
  { name: "sets, tuples and orders", run: asserts("def f(a, b):\n    return tuple(set(a) & set(b))", ["assert set(f((3, 4, 5), (5, 4, 10))) == set((4, 5))", "assert sorted(f([1, 2], [2, 1])) == [1, 2]", "assert isinstance(f([1], [1]), tuple)"]) },
  { name: "a name of a builtin, said to be the program's", run: asserts("def sum(a, b):\n    return len([d for d in range(1, min(a, b) + 1) if a % d == b % d == 0])", ["assert sum(10, 15) == 2"], { entryPoint: "sum" }) },
  {
    name: "in-place changes of lists, dicts and sets",
    run: asserts("def f(l, d, s):\n    l.sort(); d['n'] = len(l); s.clear()", ["l, d, s = [3, 1], {}, {1}\nassert f(l, d, s) is None\nassert l == [1, 3] and d == {'n': 2} and s == set()"]),
  },
  {
    name: "a class with state",
    run: asserts("class LRUCache:\n    def __init__(self, n):\n        self.n, self.d = n, {}\n    def get(self, k):\n        if k not in self.d: return -1\n        self.d[k] = self.d.pop(k)\n        return self.d[k]\n    def put(self, k, v):\n        self.d.pop(k, None)\n        self.d[k] = v\n        if len(self.d) > self.n: del self.d[next(iter(self.d))]\n    def __len__(self): return len(self.d)\n    def __contains__(self, k): return k in self.d", [
      "c = LRUCache(2)\nc.put(1, 1); c.put(2, 2)\nassert c.get(1) == 1\nc.put(3, 3)\nassert c.get(2) == -1 and len(c) == 2 and 3 in c and 2 not in c\nassert c.n == 2",
    ]),
  },
  {
    name: "objects that refer to each other",
    run: asserts("class Node:\n    def __init__(self, v, n=None): self.val, self.next = v, n\ndef rev(h):\n    p = None\n    while h: h.next, p, h = p, h, h.next\n    return p", ["r = rev(Node(1, Node(2, Node(3))))\nout = []\nwhile r:\n    out.append(r.val)\n    r = r.next\nassert out == [3, 2, 1]"]),
  },
  { name: "operators of a class", run: asserts("class Vec:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return Vec(self.x + o.x)\n    def __mul__(self, k): return Vec(self.x * k)\n    def __eq__(self, o): return isinstance(o, Vec) and self.x == o.x\n    def __repr__(self): return f'Vec({self.x})'", ["assert Vec(1) + Vec(2) == Vec(3)", "assert Vec(2) * 3 == Vec(6)", "assert Vec(1) != Vec(2)", "assert repr(Vec(7)) == 'Vec(7)'"]) },
  { name: "functions passed to the program", run: asserts("def apply(f, xs):\n    return [f(x) for x in xs]\ndef keep(t, xs):\n    return [x for x in xs if isinstance(x, t)]", ["assert apply(lambda x: x * x, [1, 2, 3]) == [1, 4, 9]", "assert apply(str, [1]) == ['1']", "assert keep(int, [1, 'a', 2]) == [1, 2]"]) },
  { name: "functions that the program returns", run: asserts("def adder(n):\n    return lambda x: x + n", ["assert adder(3)(4) == 7"]) },
  { name: "generators", run: asserts("def squares():\n    n = 0\n    while True:\n        yield n * n\n        n += 1", ["g = squares()\nassert [next(g) for _ in range(4)] == [0, 1, 4, 9]", "from itertools import islice\nassert list(islice(squares(), 3)) == [0, 1, 4]", "assert 16 in squares()"]) },
  { name: "exceptions, builtin and its own", run: asserts("class Bad(ValueError): pass\ndef f(x):\n    if x < 0: raise Bad('negative')\n    if x == 0: raise ZeroDivisionError('zero')\n    return x", ["try:\n    f(-1)\n    assert False\nexcept Bad as e:\n    assert str(e) == 'negative'", "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass", "try:\n    f(0)\n    assert False\nexcept ZeroDivisionError:\n    pass"]) },
  { name: "values of the library", run: asserts("from collections import Counter, deque, namedtuple, OrderedDict\nfrom fractions import Fraction\nfrom decimal import Decimal\nimport datetime\nP = namedtuple('P', 'x y')\ndef f(k):\n    return {'c': Counter('aab'), 'd': deque([1, 2]), 'p': P(1, 2), 'o': OrderedDict(a=1), 'f': Fraction(1, 3), 'm': Decimal('0.1'), 't': datetime.date(2024, 2, 29)}[k]", ["assert f('c') == Counter({'a': 2, 'b': 1}) and f('c').most_common(1) == [('a', 2)]", "assert f('d') == deque([1, 2]) and list(f('d')) == [1, 2]", "assert f('p') == (1, 2) and f('p').y == 2", "assert f('f') * 3 == 1 and f('m') + 1 == Decimal('1.1')", "import datetime\nassert f('t') + datetime.timedelta(1) == datetime.date(2024, 3, 1)"]) },
  { name: "numbers at the edges", run: asserts("def f(n):\n    return 2 ** n\ndef g():\n    return float('nan'), float('-inf'), -0.0, 3 + 4j, b'ab', frozenset([1]), range(3), True, None", ["assert f(200) == 2 ** 200 and f(53) + 1 == 2 ** 53 + 1", "import math\na = g()\nassert math.isnan(a[0]) and a[1] == float('-inf') and math.copysign(1, a[2]) == -1\nassert a[3:] == (3 + 4j, b'ab', frozenset([1]), range(3), True, None)"]) },
  { name: "other scripts", run: asserts("def f(s):\n    return s[::-1] + '𝒳é'", ["assert f('日本') == '本日𝒳é'"]) },
  { name: "setup code", run: asserts("def f(x):\n    return x + 1", ["assert f(K) == 6"], { setup: "K = 5" }) },
  { name: "deep recursion that it asked for", run: asserts("import sys\nsys.setrecursionlimit(20000)\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)", ["assert f(10000) == 10000"]) },
  { name: "sleeping costs nothing", run: asserts("import time\ndef f():\n    a = time.monotonic()\n    time.sleep(3)\n    return time.monotonic() - a", ["assert 3 <= f() < 4"]) },
  { name: "calls with JSON values", run: calls("def f(a, b=None):\n    return {'sum': sum(a), 'b': b, 'half': len(a) / 2}", "f", [[[1, 2, 3], { x: null }], { sum: 6, b: { x: null }, half: 1.5 }], [[[], true], { sum: 0, b: true, half: 0 }]) },
  { name: "calls of a method", run: calls("class Solution:\n    def twoSum(self, nums, target):\n        return next((i, j) for i in range(len(nums)) for j in range(i) if nums[i] + nums[j] == target)", "Solution.twoSum", [[[2, 7, 11], 9], [1, 0]]) },
  { name: "calls with big integers", run: calls("def f(n):\n    return n * n", "f", [[123456789012345678901n], 123456789012345678901n ** 2n]) },
  { name: "standard input", run: stdin("n = int(input())\nprint(sum(map(int, input().split())) / n)", ["2\n1 2\n", "1.5\n"], ["3\n1 1 1\n", "1\n"]) },
  { name: "standard input read to its end", run: stdin("import sys\nif __name__ == '__main__':\n    print(*sorted(sys.stdin.read().split()), sep='\\n', flush=True)", ["b a\nc", "a\nb  \nc\n\n"]) },
  { name: "exit with code 0", run: stdin("print(input())\nexit()", ["x", "x"]) },
  { name: "a wrong value", run: asserts("def f(x):\n    return x", ["assert f(1) == 2"]), outcome: "failed", message: "AssertionError: assert f(1) == 2" },
  { name: "a missing function", run: asserts("def g(x):\n    return x", ["assert f(1) == 2"]), outcome: "failed", message: "NameError: name 'f' is not defined" },
  { name: "an exception", run: calls("def f(x):\n    return 1 // x", "f", [[0], 1]), outcome: "failed", message: "ZeroDivisionError: integer division or modulo by zero" },
  { name: "a syntax error", run: asserts("def f(x)\n    return x", ["assert f(1) == 1"]), outcome: "failed", message: "SyntaxError: expected ':' (program.py, line 1)" },
  { name: "a wrong print", run: stdin("print(1)", ["", "2"]), outcome: "failed", message: 'printed "1\\n", expected "2"' },
  { name: "an exception in a whole program", run: stdin("print(1)\nraise ValueError('no')", ["", "1"]), outcome: "failed", message: "ValueError: no" },
  { name: "a list where a dict is wanted", run: calls("def f():\n    return [1]", "f", [[], { 0: 1 }]), outcome: "failed", message: 'returned [1], expected {"0":1}' },
  { name: "tests that do not compile", run: asserts("x = 1", ["assert (("]), outcome: "invalid", message: "SyntaxError: '(' was never closed (test 1, line 1)" },
  { name: "tests that use nothing of the program", run: asserts("x = 1", ["assert 1 + 1 == 2"]), outcome: "invalid", message: "the tests use nothing of the program" },
  { name: "a setup that raises by itself", run: asserts("def f(): return 1", ["assert f() == 1"], { setup: "1 / 0" }), outcome: "invalid", message: "setup: ZeroDivisionError: division by zero" },
];

const javascript: readonly Row[] = [
  { name: "a function and asserts", run: asserts("const f = (x) => x * 2;", ["assert(f(2) === 4)", "assert.deepStrictEqual([f(1)], [2])"]) },
  { name: "MultiPL-E's form", run: asserts("function has(xs, t) { return xs.some((a, i) => xs.slice(i + 1).some((b) => Math.abs(a - b) < t)); }", ["const assert = require('node:assert');\nfunction test() {\n  let candidate = has;\n  assert.deepEqual(candidate([1.0, 2.0, 2.05], 0.1), true);\n  assert.deepEqual(candidate([1.0, 2.0], 0.5), false);\n}\ntest();"]) },
  { name: "a class with state", run: asserts("class Stack { #a = []; push(x) { this.#a.push(x); return this; } pop() { return this.#a.pop(); } get size() { return this.#a.length; } has(x) { return this.#a.includes(x); } *[Symbol.iterator]() { yield* this.#a; } static of(...xs) { const s = new Stack(); xs.forEach((x) => s.push(x)); return s; } }", ["const s = new Stack();\ns.push(1).push(2);\nassert.equal(s.size, 2);\nassert(s.has(1) && !s.has(5));\nassert.deepEqual([...s], [1, 2]);\nassert.equal(s.pop(), 2);\nassert(s instanceof Stack);\nassert.equal(Stack.of(7, 8).pop(), 8);"]) },
  { name: "what a factory returns", run: asserts("const makeCounter = () => { let n = 0; return { add(k = 1) { n += k; return this; }, get value() { return n; } }; };", ["const c = makeCounter();\nc.add().add(4);\nassert.equal(c.value, 5);"]) },
  { name: "in-place changes", run: asserts("function f(a, o, m) { a.reverse(); o.n = a.length; m.set('k', 1); }", ["const a = [1, 2], o = {}, m = new Map();\nf(a, o, m);\nassert.deepStrictEqual([a, o, m], [[2, 1], { n: 2 }, new Map([['k', 1]])]);"]) },
  { name: "functions in both directions", run: asserts("const compose = (...fs) => (x) => fs.reduceRight((v, f) => f(v), x);", ["assert.equal(compose((x) => x + 1, (x) => x * 2)(5), 11)"]) },
  { name: "promises", run: asserts("const sleep = (ms) => new Promise((done) => setTimeout(done, ms));\nasync function f(x) { await sleep(5000); if (x < 0) throw new RangeError('negative'); return x + 1; }", ["assert.equal(await f(1), 2)", "await assert.rejects(f(-1), RangeError)"]) },
  { name: "errors", run: asserts("class Bad extends Error { constructor(m) { super(m); this.name = 'Bad'; } }\nfunction f(x) { if (x < 0) throw new Bad('negative'); if (x === 0) throw new TypeError('zero'); return x; }", ["assert.throws(() => f(-1), /negative/)", "assert.throws(() => f(-1), Bad)", "assert.throws(() => f(0), TypeError)", "assert.throws(() => f(0), { message: 'zero' })"]) },
  { name: "values of all kinds", run: asserts("const f = () => [undefined, null, NaN, -0, 10n ** 30n, new Map([[1, { a: [2] }]]), new Set(['x']), new Date(0), /a/gi, new Uint8Array([1, 2]), '𝒳']", ["assert.deepStrictEqual(f(), [undefined, null, NaN, -0, 10n ** 30n, new Map([[1, { a: [2] }]]), new Set(['x']), new Date(0), /a/gi, new Uint8Array([1, 2]), '𝒳'])"]) },
  { name: "exports of a module", run: asserts("export function f(x) { return x + 1; }", ["assert.equal(f(1), 2)"]) },
  { name: "exports in the older form", run: asserts("const g = (x) => x + 1; module.exports = { f: g };", ["assert.equal(f(1), 2)"]) },
  { name: "generators", run: asserts("function* f() { for (let n = 0; ; n++) yield n * n; }", ["const g = f();\nassert.deepEqual([g.next().value, g.next().value, g.next().value], [0, 1, 4])"]) },
  { name: "calls with JSON values", run: calls("const f = (a, b) => ({ sum: a.reduce((x, y) => x + y, 0), b })", "f", [[[1, 2, 3], { x: null }], { sum: 6, b: { x: null } }]) },
  { name: "calls of a method", run: calls("class Solution { f(n) { return n === 0 ? [] : [n, ...this.f(n - 1)]; } }", "Solution.f", [[3], [3, 2, 1]]) },
  { name: "standard input at once", run: stdin("const [n, ...xs] = require('fs').readFileSync(0, 'utf8').split(/\\s+/).map(Number);\nconsole.log(xs.slice(0, n).reduce((a, b) => a + b, 0));", ["2\n1 2\n", "3"]) },
  { name: "standard input by lines", run: stdin("const rl = require('readline').createInterface({ input: process.stdin });\nconst lines = [];\nrl.on('line', (l) => lines.push(l)).on('close', () => console.log(lines.reverse().join('\\n')));", ["a\nb\nc\n", "c\nb\na"]) },
  { name: "standard input by events", run: stdin("let s = '';\nprocess.stdin.setEncoding('utf8');\nprocess.stdin.on('data', (d) => (s += d));\nprocess.stdin.on('end', () => { process.stdout.write(s.trim().toUpperCase()); process.exit(0); });", ["abc\n", "ABC"]) },
  { name: "printed objects", run: stdin("console.log([1, 'a', { b: [2] }], new Map([[1, 2]]), null, undefined, 'x', -0, 5n);\nconsole.log('%s is %d', 'n', 3, 4);", ["", "[ 1, 'a', { b: [ 2 ] } ] Map(1) { 1 => 2 } null undefined x -0 5n\nn is 3 4"]) },
  { name: "deep recursion", run: calls("const f = (n) => (n === 0 ? 0 : 1 + f(n - 1));", "f", [[2000], 2000]) },
  { name: "a wrong value", run: asserts("const f = (x) => x;", ["assert.equal(f(1), 2)"]), outcome: "failed", message: "AssertionError: equal: got 1, expected 2" },
  { name: "a missing function", run: asserts("const g = 1;", ["assert.equal(f(1), 2)"]), outcome: "failed", message: "ReferenceError: 'f' is not defined" },
  { name: "an exception", run: calls("const f = () => { throw new TypeError('no'); };", "f", [[], 1]), outcome: "failed", message: "TypeError: no" },
  { name: "a syntax error", run: asserts("const f = (;", ["assert.equal(f(1), 2)"]), outcome: "failed", message: "SyntaxError: unexpected token in expression: ';'" },
  { name: "tests that do not compile", run: asserts("x = 1", ["assert(("]), outcome: "invalid", message: "SyntaxError: unexpected token in expression: ''" },
  { name: "tests that use nothing of the program", run: asserts("x = 1", ["assert(true)"]), outcome: "invalid", message: "the tests use nothing of the program" },
];

for (const [language, rows] of [["python", python], ["javascript", javascript]] as const) {
  describe.concurrent(language, () => {
    test.for(rows)("$name", async ({ run, outcome = "passed", message = "" }) => {
      const result = await sandbox.run({ language, ...run });
      expect({ outcome: result.outcome, message: result.message }).toEqual({ outcome, message });
    });
  });
}
