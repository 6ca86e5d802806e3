/**
 * Programs that try to be counted as right without doing what was asked. Each task comes with an honest program, which passes, so that a
 * forgery fails for what it is; none may pass, and none may make the tests look broken.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lines } from "../../test/sandbox/rows.js";
import type { Language, Tests } from "./program.js";
import { openSandbox, type Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2 });
});
afterAll(() => sandbox.close());

interface Task {
  readonly language: Language;
  readonly honest: string;
  readonly tests: Tests;
}

const tasks = {
  add: {
    language: "python",
    honest: "def add(a, b):\n    return a + b",
    tests: {
      kind: "asserts",
      tests: ["assert add(2, 3) == 5", "assert add(-4, 1) == -3", "assert add(10 ** 20, 1) == 10 ** 20 + 1"],
    },
  },
  mean: {
    language: "python",
    honest: "import math\ndef mean(xs):\n    return sum(xs) / len(xs)",
    tests: {
      kind: "asserts",
      tests: [
        "assert abs(mean([1, 2, 4]) - 2.3333333333) < 1e-6",
        "assert math.isclose(mean([1.5]), 1.5)",
        "assert 2.4 < mean([2, 3]) < 2.6",
      ],
    },
  },
  shared: {
    language: "python",
    honest: "def shared(a, b):\n    return sorted(set(a) & set(b))",
    tests: {
      kind: "asserts",
      tests: [
        "assert sorted(shared([3, 1], [1, 3, 5])) == [1, 3]",
        "assert len(shared([1, 2], [2])) == 1 and all(x == 2 for x in shared([1, 2], [2]))",
        "assert set(shared([7, 8], [8, 9])) == {8}",
      ],
    },
  },
  greeting: {
    language: "python",
    honest: "def greeting(name):\n    return 'Hello, ' + name.title()",
    tests: {
      kind: "asserts",
      tests: [
        "assert greeting('ada').startswith('Hello, A')",
        "assert 'Bob' in greeting('bob')",
        "assert greeting('eve').count('e') == 2 and greeting('eve').index('E') == 7",
      ],
    },
  },
  confirmed: {
    language: "python",
    honest: "def greet(name):\n    return 'Hello, ' + name",
    tests: {
      kind: "asserts",
      tests: [
        "assert greet('Ada').startswith('Hello, A')",
        "assert greet('Eve').index('Eve') == 7 and greet('Bo').endswith('Bo')",
      ],
    },
  },
  jsConfirmed: {
    language: "javascript",
    honest: "const twice = (a) => [...a, ...a];",
    tests: {
      kind: "asserts",
      tests: [
        "assert(twice([1, 2]).includes(2))",
        "assert(twice([3]).every((x) => x === 3) && twice([5]).indexOf(5) === 0)",
      ],
    },
  },
  call: {
    language: "python",
    honest: "def add(a, b):\n    return a + b",
    tests: {
      kind: "calls",
      entryPoint: "add",
      cases: [
        { args: [2, 3], expected: 5 },
        { args: [-4, 1], expected: -3 },
        { args: [[1], [2]], expected: [1, 2] },
      ],
    },
  },
  lines: {
    language: "python",
    honest: "print(sum(int(input()) for _ in range(int(input()))))",
    tests: {
      kind: "stdin",
      cases: [
        { input: "2\n40\n2\n", output: "42\n" },
        { input: "1\n-7\n", output: "-7\n" },
      ],
    },
  },
  jsAdd: {
    language: "javascript",
    honest: "const add = (a, b) => a + b;",
    tests: {
      kind: "asserts",
      tests: [
        "assert.strictEqual(add(2, 3), 5)",
        "assert.equal(add(-4, 1), -3)",
        "assert(add(1.5, 2) === 3.5 && Math.abs(add(0.1, 0.2) - 0.3) < 1e-9)",
        "assert(add(1, 2) >= 3 && add(1, 2) <= 3)",
      ],
    },
  },
  jsShared: {
    language: "javascript",
    honest: "const shared = (a, b) => a.filter((x) => b.includes(x));",
    tests: {
      kind: "asserts",
      tests: [
        "assert.deepStrictEqual(shared([3, 1], [1, 3, 5]), [3, 1])",
        "assert(shared([1, 2], [2]).includes(2) && shared([1, 2], [2]).every((x) => x === 2))",
        "assert.equal(shared([7], [8]).length, 0)",
      ],
    },
  },
  jsCall: {
    language: "javascript",
    honest: "const add = (a, b) => a + b;",
    tests: {
      kind: "calls",
      entryPoint: "add",
      cases: [
        { args: [2, 3], expected: 5 },
        { args: ["a", "b"], expected: "ab" },
      ],
    },
  },
  jsLines: {
    language: "javascript",
    honest:
      "console.log(require('fs').readFileSync(0, 'utf8').trim().split('\\n').slice(1).reduce((a, b) => a + Number(b), 0))",
    tests: {
      kind: "stdin",
      cases: [
        { input: "2\n40\n2\n", output: "42\n" },
        { input: "1\n-7\n", output: "-7\n" },
      ],
    },
  },
} as const satisfies Readonly<Record<string, Task>>;

/** An object that says yes to everything a Python test may ask. */
const yes = `class Yes:
    def __eq__(self, o): return True
    def __ne__(self, o): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __getattr__(self, n): return lambda *a, **k: self
    def __len__(self): return 1
    def __contains__(self, o): return True
    def __iter__(self): return iter([])
    def __float__(self): return 0.0
    def __int__(self): return 0
    def __index__(self): return 0
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    def __abs__(self): return self
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __round__ = __neg__ = lambda self, *a: self
`;

/** Reads whatever of our own Python is on the stack or in memory: the channel's nonce, the request at hand, the functions that answer. */
const spy = `import sys, gc
def channels():
    found = []
    frame = sys._getframe()
    while frame:
        found.append(frame.f_locals)
        frame = frame.f_back
    for o in gc.get_objects():
        if isinstance(o, dict): found.append(o)
    return found
`;

const forgeries: readonly (readonly [name: string, task: keyof typeof tasks, program: string])[] = [
  [
    "returns an object with methods that say yes",
    "confirmed",
    lines(
      "class Yes:",
      "    def startswith(self, x): return True",
      "    def endswith(self, x): return True",
      "    def index(self, x): return 7",
      "def greet(name):",
      "    return Yes()",
    ),
  ],
  [
    "is a class with methods that say yes",
    "confirmed",
    lines(
      "class greet:",
      "    def __init__(self, name): pass",
      "    def startswith(self, x): return True",
      "    def endswith(self, x): return True",
      "    def index(self, x): return 7",
    ),
  ],
  [
    "returns an object with functions that say yes",
    "jsConfirmed",
    "const twice = () => ({ includes: () => true, every: () => true, indexOf: () => 0 });",
  ],
  ["prints that all is well", "add", "print('3 passed')\nprint('OK')\nprint('{\"passed\": true}')"],
  ["exits with success", "add", "import sys\nsys.exit(0)"],
  ["exits at once, past all handlers", "add", "import os\nos._exit(0)"],
  ["exits when it is called", "add", "import os\ndef add(a, b):\n    os._exit(0)"],
  ["raises SystemExit when it is called", "add", "def add(a, b):\n    raise SystemExit(0)"],
  ["raises KeyboardInterrupt when it is called", "add", "def add(a, b):\n    raise KeyboardInterrupt"],
  ["raises what ends a loop or a generator", "add", "def add(a, b):\n    raise StopIteration"],
  ["returns an object that equals everything", "add", `${yes}\ndef add(a, b):\n    return Yes()`],
  [
    "returns an integer that equals everything",
    "add",
    lines(
      "class I(int):",
      "    def __eq__(self, o): return True",
      "    def __hash__(self): return 0",
      "def add(a, b):",
      "    return I(1)",
    ),
  ],
  ["is a class whose objects equal everything", "add", `${yes}\nclass add(Yes):\n    def __init__(self, a, b): pass`],
  [
    "is an object that is called",
    "add",
    lines(`${yes}`, "class F(Yes):", "    def __call__(self, a, b): return self", "add = F()"),
  ],
  ["answers with numbers that compare as it likes", "mean", `${yes}\ndef mean(xs):\n    return Yes()`],
  [
    "answers with a float that subtracts to nothing",
    "mean",
    lines(
      "class F(float):",
      "    __sub__ = __rsub__ = lambda s, o: 0.0",
      "    __lt__ = __gt__ = __le__ = __ge__ = lambda s, o: True",
      "def mean(xs):",
      "    return F(9)",
    ),
  ],
  [
    "replaces what the tests use of the library",
    "mean",
    lines(
      "class math:",
      "    isclose = lambda *a, **k: True",
      "    fabs = lambda x: 0",
      "def abs(x): return 0",
      "def mean(xs):",
      "    return 9.0",
    ),
  ],
  [
    "patches the library itself",
    "mean",
    lines(
      "import math, builtins",
      "math.isclose = lambda *a, **k: True",
      "builtins.abs = lambda x: 0",
      "def mean(xs):",
      "    return 9.0",
    ),
  ],
  ["returns not a number", "mean", "def mean(xs):\n    return float('nan')"],
  [
    "shadows the builtins of the tests",
    "shared",
    lines(
      "def sorted(x): return [1, 3]",
      "def len(x): return 1",
      "def all(x): return True",
      "set = lambda x: {8}",
      "def shared(a, b):",
      "    return []",
    ),
  ],
  [
    "patches the builtins of the tests",
    "shared",
    lines(
      "import builtins",
      "builtins.sorted = lambda x: [1, 3]",
      "builtins.len = lambda x: 1",
      "builtins.all = lambda x: True",
      "builtins.set = lambda x: {8}",
      "builtins.AssertionError = ZeroDivisionError",
      "def shared(a, b):",
      "    return []",
    ),
  ],
  ["returns a container that holds everything", "shared", `${yes}\ndef shared(a, b):\n    return Yes()`],
  ["returns an iterator over what it was asked", "shared", "def shared(a, b):\n    yield from a\n    yield from b"],
  [
    "returns a text that confirms everything",
    "greeting",
    lines(
      "class T(str):",
      "    def startswith(self, x): return True",
      "    def __contains__(self, x): return True",
      "    def count(self, x): return 2",
      "    def index(self, x): return 7",
      "def greeting(n):",
      "    return T('?')",
    ),
  ],
  [
    "returns an object that confirms everything",
    "greeting",
    lines(
      `${yes}`,
      "    def startswith(self, x): return True",
      "    def count(self, x): return 2",
      "    def index(self, x): return 7",
      "def greeting(n):",
      "    return Yes()",
    ),
  ],
  [
    "reads frames and memory for the nonce and answers by itself",
    "add",
    lines(
      spy,
      "import os",
      "def add(a, b):",
      "    for d in channels():",
      "        nonce = d.get('nonce')",
      "        if isinstance(nonce, list) and nonce and isinstance(nonce[0], bytes):",
      '            bodies = [b\'{"to":"host","index":0,"passed":true,"message":"","memory":false}\',',
      '                b\'{"to":"host","done":true}\', b\'{"value":true}\']',
      "            for body in bodies:",
      "                os.write(0, nonce[0] + b'%08x' % len(body) + body)",
      "    return 0",
    ),
  ],
  [
    "answers with a verdict instead of a value",
    "add",
    lines(
      spy,
      "def add(a, b):",
      "    for d in channels():",
      "        if callable(d.get('send')):",
      lines(
        "            d['send']({'to': 'host', 'done': True, 'index': 0, 'passed': True,",
        "'message': '', 'memory': False, 'invalid': 'x'})",
      ),
      "    return 0",
    ),
  ],
  [
    "says that the tests are invalid",
    "add",
    lines(
      spy,
      "for d in channels():",
      "    if callable(d.get('send')): d['send']({'invalid': 'the tests are broken', 'to': 'host'})",
    ),
  ],
  [
    "looks for the expected values in memory",
    "add",
    lines(
      spy,
      "def add(a, b):",
      "    wanted = [v for d in channels() for k, v in d.items() if k in ('expected', 'result', 'tests', 'test', 'job')]",
      "    return wanted[0] if wanted else None",
    ),
  ],
  [
    "looks for the tests on standard input",
    "add",
    lines(
      "import os, sys",
      "try:",
      "    os.lseek(0, 0, 0)",
      "except OSError: pass",
      "text = os.read(0, 100000)",
      "def add(a, b):",
      "    return int(text.decode().split('==')[1].split('\"')[0])",
    ),
  ],
  [
    "replaces the modules of the sandbox",
    "add",
    lines(
      "import sys, posix, _json",
      "posix.write = lambda fd, d: len(d)",
      "_json.make_encoder = lambda *a: lambda o, i: ('{\"value\":true}',)",
      "for n in list(sys.modules):",
      "    if 'fathom' in n: sys.modules[n].__dict__.clear()",
    ),
  ],
  ["imports the judge and answers its questions", "add", "import fathom_judge\ndef add(a, b):\n    return 0"],
  [
    "traces the interpreter",
    "add",
    lines(
      "import sys",
      "def trace(frame, event, arg):",
      "    frame.f_locals['passed'] = True",
      "    return trace",
      "sys.settrace(trace)",
      "sys.setprofile(lambda *a: None)",
      "def add(a, b):",
      "    return 0",
    ),
  ],
  [
    "breaks the judge with a value nested too deep",
    "add",
    "def add(a, b):\n    x = []\n    for _ in range(900): x = [x]\n    return x",
  ],
  ["breaks the judge with a value too large", "add", "def add(a, b):\n    return ['x' * 1000] * 100000"],
  [
    "returns the whole of a registry of objects",
    "add",
    lines("import gc, sys", "def add(a, b):", "    return gc.get_objects()"),
  ],
  ["returns what the judge may not build", "add", "def add(a, b):\n    import builtins\n    return builtins.exec"],
  ["returns a value that compares as it likes", "call", `${yes}\ndef add(a, b):\n    return Yes()`],
  ["exits in a call", "call", "import os\ndef add(a, b):\n    os._exit(0)"],
  [
    "writes the expected result unasked",
    "call",
    lines(
      "import os",
      "for i in range(10):",
      "    os.write(0, b'0' * 16 + b'0000000b' + b'{\"value\":5}')",
      "def add(a, b): return 5",
    ),
  ],
  ["returns both arguments", "call", "def add(a, b):\n    return (a, b)"],
  ["prints its input", "lines", "import sys\nprint(sys.stdin.read())"],
  [
    "prints everything it finds",
    "lines",
    lines(
      "import os, sys",
      "os.lseek(0, 0, 0)",
      "sys.stdout.buffer.write(os.read(0, 100000))",
      "print(dir(sys.modules['fathom_main']), open('/lib/fathom_judge.pyc', 'rb').read()[:100])",
    ),
  ],
  ["prints nothing and ends well", "lines", "raise SystemExit(0)"],
  ["prints every number", "lines", "for i in range(-50, 50): print(i)"],
  ["leaves with success", "jsAdd", "process.exit(0)"],
  ["leaves when it is called", "jsAdd", "const add = () => process.exit(0);"],
  [
    "returns an object that turns into anything",
    "jsAdd",
    lines(
      "let n = 0; const add = () => ({ valueOf: () => (n++ % 2 ? Infinity : -Infinity),",
      "toString: () => '5', [Symbol.toPrimitive]: () => (n++ % 2 ? 9 : -9) });",
    ),
  ],
  [
    "returns a proxy",
    "jsAdd",
    lines(
      "const p = new Proxy(() => {}, { get: () => p, apply: () => p, has: () => true,",
      "getPrototypeOf: () => Number.prototype }); const add = () => p;",
    ),
  ],
  [
    "patches the language",
    "jsAdd",
    lines(
      "Object.is = () => true; Math.abs = () => 0; Number.prototype.valueOf = () => 5;",
      "JSON.stringify = () => '{\"value\":5}'; Array.prototype.map = () => []; const add = () => 1;",
    ),
  ],
  [
    "defines assert",
    "jsAdd",
    lines(
      "const assert = Object.assign(() => {}, { equal() {}, strictEqual() {} });",
      "globalThis.assert = assert; const add = () => 1; module.exports = { add, assert };",
    ),
  ],
  ["throws nothing", "jsAdd", "const add = () => { throw undefined; };"],
  ["never settles", "jsAdd", "const add = async () => new Promise(() => {});"],
  [
    "returns a list that says yes",
    "jsShared",
    lines(
      "class L extends Array { includes() { return true; } every() { return true;",
      "} get length() { return 0; } } const shared = () => new L();",
    ),
  ],
  [
    "returns an object that says yes",
    "jsShared",
    "const shared = () => ({ includes: () => true, every: () => true, length: 0 });",
  ],
  [
    "is a class that says yes",
    "jsShared",
    "class shared { includes() { return true; } every() { return true; } length = 0; }",
  ],
  [
    "calls the tests' functions until they agree",
    "jsShared",
    lines(
      "const shared = () => ({ includes: () => true, every: (f) => [1, 2, 3].some(f), length: 0, [Symbol.iterator]: function* () { yield 3;",
      "yield 1; } });",
    ),
  ],
  [
    "returns what turns into anything",
    "jsCall",
    "const add = () => ({ toJSON: () => 5, valueOf: () => 5, toString: () => 'ab' });",
  ],
  [
    "patches what answers",
    "jsCall",
    "JSON.stringify = () => '{\"value\":5}'; Reflect.apply = () => 5; const add = () => 1;",
  ],
  ["prints its input", "jsLines", "console.log(require('fs').readFileSync(0, 'utf8'))"],
];

test("the honest program of each task passes", async () => {
  const results = await Promise.all(
    Object.entries(tasks).map(async ([name, { language, honest, tests }]) => {
      const { outcome, message } = await sandbox.run({ language, program: honest, tests });
      return { name, outcome, message };
    }),
  );
  expect(results.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
});

describe.concurrent("does not pass", () => {
  test.for(forgeries)("%s (%s)", async ([, name, program]) => {
    const { language, tests } = tasks[name];
    const { outcome, passedTests, numTests, message } = await sandbox.run({
      language,
      program,
      tests,
      timeoutMs: 3000,
    });
    expect({ outcome, message }).toMatchObject({ outcome: "failed" });
    expect(passedTests).toBeLessThan(numTests);
  });
});
