/** Python programs that do what was asked, in every form in which they are judged, and programs that are plainly wrong. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asserts, calls, lines, type Row, stdin } from "../../test/sandbox/rows.js";
import { openSandbox, type Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2, languages: ["python"] });
});
afterAll(() => sandbox.close());

const programs: readonly Row[] = [
  {
    name: "a function and asserts",
    run: asserts("def f(x):\n    return x * 2", ["assert f(2) == 4", "assert f('a') == 'aa'"]),
  },
  {
    name: "HumanEval's form: a check function that gets the candidate",
    run: asserts(
      lines(
        "from typing import List",
        "def has(xs: List[float], t: float) -> bool:",
        "    return any(abs(a - b) < t for i, a in enumerate(xs) for b in xs[i + 1:])",
      ),
      [
        lines(
          "METADATA = {}",
          "",
          "def check(candidate):",
          "    assert candidate([1.0, 2.0, 2.05], 0.1) == True",
          "    assert candidate([1.0, 2.0], 0.5) == False",
          "",
          "check(has)",
        ),
      ],
    ),
  },
  {
    name: "tests that use what the program imports",
    run: asserts("import math\ndef root(x):\n    return math.sqrt(x)", [
      "assert math.isclose(root(2.0), 1.41421356237, rel_tol=1e-9)",
    ]),
  },
  {
    name: "a helper of the program used by the tests",
    run: asserts("def encode(s):\n    return s[1:] + s[0]\ndef decode(s):\n    return s[-1] + s[:-1]", [
      lines(
        "from random import seed, choice",
        "seed(1)",
        "for _ in range(5):",
        "    s = ''.join(choice('abc') for _ in range(9))",
        "    assert decode(encode(s)) == s",
      ),
    ]),
  },
  {
    name: "sets, tuples and orders",
    run: asserts("def f(a, b):\n    return tuple(set(a) & set(b))", [
      "assert set(f((3, 4, 5), (5, 4, 10))) == set((4, 5))",
      "assert sorted(f([1, 2], [2, 1])) == [1, 2]",
      "assert isinstance(f([1], [1]), tuple)",
    ]),
  },
  {
    name: "a name of a builtin, said to be the program's",
    run: asserts(
      "def sum(a, b):\n    return len([d for d in range(1, min(a, b) + 1) if a % d == b % d == 0])",
      ["assert sum(10, 15) == 2"],
      { entryPoint: "sum" },
    ),
  },
  {
    name: "in-place changes of lists, dicts and sets",
    run: asserts("def f(l, d, s):\n    l.sort(); d['n'] = len(l); s.clear()", [
      "l, d, s = [3, 1], {}, {1}\nassert f(l, d, s) is None\nassert l == [1, 3] and d == {'n': 2} and s == set()",
    ]),
  },
  {
    name: "a class with state",
    run: asserts(
      lines(
        "class LRUCache:",
        "    def __init__(self, n):",
        "        self.n, self.d = n, {}",
        "    def get(self, k):",
        "        if k not in self.d: return -1",
        "        self.d[k] = self.d.pop(k)",
        "        return self.d[k]",
        "    def put(self, k, v):",
        "        self.d.pop(k, None)",
        "        self.d[k] = v",
        "        if len(self.d) > self.n: del self.d[next(iter(self.d))]",
        "    def __len__(self): return len(self.d)",
        "    def __contains__(self, k): return k in self.d",
      ),
      [
        lines(
          "c = LRUCache(2)",
          "c.put(1, 1); c.put(2, 2)",
          "assert c.get(1) == 1",
          "c.put(3, 3)",
          "assert c.get(2) == -1 and len(c) == 2 and 3 in c and 2 not in c",
          "assert c.n == 2",
        ),
      ],
    ),
  },
  {
    name: "objects that refer to each other",
    run: asserts(
      lines(
        "class Node:",
        "    def __init__(self, v, n=None): self.val, self.next = v, n",
        "def rev(h):",
        "    p = None",
        "    while h: h.next, p, h = p, h, h.next",
        "    return p",
      ),
      [
        lines(
          "r = rev(Node(1, Node(2, Node(3))))",
          "out = []",
          "while r:",
          "    out.append(r.val)",
          "    r = r.next",
          "assert out == [3, 2, 1]",
        ),
      ],
    ),
  },
  {
    name: "operators of a class",
    run: asserts(
      lines(
        "class Vec:",
        "    def __init__(self, x): self.x = x",
        "    def __add__(self, o): return Vec(self.x + o.x)",
        "    def __mul__(self, k): return Vec(self.x * k)",
        "    def __eq__(self, o): return isinstance(o, Vec) and self.x == o.x",
        "    def __repr__(self): return f'Vec({self.x})'",
      ),
      [
        "assert Vec(1) + Vec(2) == Vec(3)",
        "assert Vec(2) * 3 == Vec(6)",
        "assert Vec(1) != Vec(2)",
        "assert repr(Vec(7)) == 'Vec(7)'",
      ],
    ),
  },
  {
    name: "functions passed to the program",
    run: asserts(
      lines(
        "def apply(f, xs):",
        "    return [f(x) for x in xs]",
        "def keep(t, xs):",
        "    return [x for x in xs if isinstance(x, t)]",
      ),
      [
        "assert apply(lambda x: x * x, [1, 2, 3]) == [1, 4, 9]",
        "assert apply(str, [1]) == ['1']",
        "assert keep(int, [1, 'a', 2]) == [1, 2]",
      ],
    ),
  },
  {
    name: "functions that the program returns",
    run: asserts("def adder(n):\n    return lambda x: x + n", ["assert adder(3)(4) == 7"]),
  },
  {
    name: "generators",
    run: asserts("def squares():\n    n = 0\n    while True:\n        yield n * n\n        n += 1", [
      "g = squares()\nassert [next(g) for _ in range(4)] == [0, 1, 4, 9]",
      "from itertools import islice\nassert list(islice(squares(), 3)) == [0, 1, 4]",
      "assert 16 in squares()",
    ]),
  },
  {
    name: "exceptions, builtin and its own",
    run: asserts(
      lines(
        "class Bad(ValueError): pass",
        "def f(x):",
        "    if x < 0: raise Bad('negative')",
        "    if x == 0: raise ZeroDivisionError('zero')",
        "    return x",
      ),
      [
        "try:\n    f(-1)\n    assert False\nexcept Bad as e:\n    assert str(e) == 'negative'",
        "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass",
        "try:\n    f(0)\n    assert False\nexcept ZeroDivisionError:\n    pass",
      ],
    ),
  },
  {
    name: "values of the library",
    run: asserts(
      lines(
        "from collections import Counter, deque, namedtuple, OrderedDict",
        "from fractions import Fraction",
        "from decimal import Decimal",
        "import datetime",
        "P = namedtuple('P', 'x y')",
        "def f(k):",
        lines(
          "    return {'c': Counter('aab'), 'd': deque([1, 2]), 'p': P(1, 2), 'o': OrderedDict(a=1),",
          "'f': Fraction(1, 3), 'm': Decimal('0.1'), 't': datetime.date(2024, 2, 29)}[k]",
        ),
      ),
      [
        "assert f('c') == Counter({'a': 2, 'b': 1}) and f('c').most_common(1) == [('a', 2)]",
        "assert f('d') == deque([1, 2]) and list(f('d')) == [1, 2]",
        "assert f('p') == (1, 2) and f('p').y == 2",
        "assert f('f') * 3 == 1 and f('m') + 1 == Decimal('1.1')",
        "import datetime\nassert f('t') + datetime.timedelta(1) == datetime.date(2024, 3, 1)",
      ],
    ),
  },
  {
    name: "numbers at the edges",
    run: asserts(
      lines(
        "def f(n):",
        "    return 2 ** n",
        "def g():",
        "    return float('nan'), float('-inf'), -0.0, 3 + 4j, b'ab', frozenset([1]), range(3), True, None",
      ),
      [
        "assert f(200) == 2 ** 200 and f(53) + 1 == 2 ** 53 + 1",
        lines(
          "import math",
          "a = g()",
          "assert math.isnan(a[0]) and a[1] == float('-inf') and math.copysign(1, a[2]) == -1",
          "assert a[3:] == (3 + 4j, b'ab', frozenset([1]), range(3), True, None)",
        ),
      ],
    ),
  },
  { name: "other scripts", run: asserts("def f(s):\n    return s[::-1] + '𝒳é'", ["assert f('日本') == '本日𝒳é'"]) },
  { name: "setup code", run: asserts("def f(x):\n    return x + 1", ["assert f(K) == 6"], { setup: "K = 5" }) },
  {
    name: "deep recursion that it asked for",
    run: asserts("import sys\nsys.setrecursionlimit(20000)\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)", [
      "assert f(10000) == 10000",
    ]),
  },
  {
    name: "sleeping costs nothing",
    run: asserts(
      "import time\ndef f():\n    a = time.monotonic()\n    time.sleep(3)\n    return time.monotonic() - a",
      ["assert 3 <= f() < 4"],
    ),
  },
  {
    name: "calls with JSON values",
    run: calls(
      "def f(a, b=None):\n    return {'sum': sum(a), 'b': b, 'half': len(a) / 2}",
      "f",
      [[[1, 2, 3], { x: null }], { sum: 6, b: { x: null }, half: 1.5 }],
      [[[], true], { sum: 0, b: true, half: 0 }],
    ),
  },
  {
    name: "calls of a method",
    run: calls(
      lines(
        "class Solution:",
        "    def twoSum(self, nums, target):",
        "        return next((i, j) for i in range(len(nums)) for j in range(i) if nums[i] + nums[j] == target)",
      ),
      "Solution.twoSum",
      [
        [[2, 7, 11], 9],
        [1, 0],
      ],
    ),
  },
  {
    name: "calls with big integers",
    run: calls("def f(n):\n    return n * n", "f", [[123456789012345678901n], 123456789012345678901n ** 2n]),
  },
  {
    name: "standard input",
    run: stdin(
      "n = int(input())\nprint(sum(map(int, input().split())) / n)",
      ["2\n1 2\n", "1.5\n"],
      ["3\n1 1 1\n", "1\n"],
    ),
  },
  {
    name: "standard input read to its end",
    run: stdin(
      "import sys\nif __name__ == '__main__':\n    print(*sorted(sys.stdin.read().split()), sep='\\n', flush=True)",
      ["b a\nc", "a\nb  \nc\n\n"],
    ),
  },
  { name: "exit with code 0", run: stdin("print(input())\nexit()", ["x", "x"]) },
  {
    name: "a wrong value",
    run: asserts("def f(x):\n    return x", ["assert f(1) == 2"]),
    outcome: "failed",
    message: "AssertionError: assert f(1) == 2",
  },
  {
    name: "a missing function",
    run: asserts("def g(x):\n    return x", ["assert f(1) == 2"]),
    outcome: "failed",
    message: "NameError: name 'f' is not defined",
  },
  {
    name: "an exception",
    run: calls("def f(x):\n    return 1 // x", "f", [[0], 1]),
    outcome: "failed",
    message: "ZeroDivisionError: integer division or modulo by zero",
  },
  {
    name: "a syntax error",
    run: asserts("def f(x)\n    return x", ["assert f(1) == 1"]),
    outcome: "failed",
    message: "SyntaxError: expected ':' (program.py, line 1)",
  },
  {
    name: "a wrong print",
    run: stdin("print(1)", ["", "2"]),
    outcome: "failed",
    message: 'printed "1\\n", expected "2"',
  },
  {
    name: "an exception in a whole program",
    run: stdin("print(1)\nraise ValueError('no')", ["", "1"]),
    outcome: "failed",
    message: "ValueError: no",
  },
  {
    name: "a list where a dict is wanted",
    run: calls("def f():\n    return [1]", "f", [[], { 0: 1 }]),
    outcome: "failed",
    message: 'returned [1], expected {"0":1}',
  },
  {
    name: "tests that do not compile",
    run: asserts("x = 1", ["assert (("]),
    outcome: "invalid",
    message: "SyntaxError: '(' was never closed (test 1, line 1)",
  },
  {
    name: "tests that use nothing of the program",
    run: asserts("x = 1", ["assert 1 + 1 == 2"]),
    outcome: "invalid",
    message: "the tests use nothing of the program",
  },
  {
    name: "a setup that raises by itself",
    run: asserts("def f(): return 1", ["assert f() == 1"], { setup: "1 / 0" }),
    outcome: "invalid",
    message: "setup: ZeroDivisionError: division by zero",
  },
];

describe.concurrent("python", () => {
  test.for(programs)("$name", async ({ run, outcome = "passed", message = "" }) => {
    const result = await sandbox.run({ language: "python", ...run });
    expect({ outcome: result.outcome, message: result.message }).toEqual({ outcome, message });
  });
});
