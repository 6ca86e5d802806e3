/**
 * Programs that try to get out, to stay, or to take the machine with them; each prints ESCAPED if it succeeded. After each batch the same
 * sandbox still gives a right verdict, and nothing of what was tried is left.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lines } from "../../test/sandbox/rows.js";
import type { Outcome } from "./program.js";
import { openSandbox, type Sandbox } from "./sandbox.js";

/** A file that could be read, a folder that could be written, and a port that could be reached, were it not for the sandbox. */
const folder = mkdtempSync(join(tmpdir(), "fathom-escape-"));
const secretFile = join(folder, "secret.txt");
let server: Server;
let port = 0;
let numConnections = 0;
let sandbox: Sandbox;
beforeAll(async () => {
  writeFileSync(secretFile, "ESCAPED: the secret of this test");
  server = createServer((socket) => {
    numConnections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as { port: number }).port;
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2 });
});
afterAll(async () => {
  await sandbox.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Row {
  readonly name: string;
  readonly program: string;
  /** What may come of it; the first is what does on the machines this was tried on. */
  readonly outcomes: readonly Outcome[];
  readonly timeoutMs?: number;
}

/** Each line is tried by itself; what raises has not succeeded, what returns has, and says with what. */
function attempts(...expressions: readonly string[]): string {
  return [
    "def attempt(source):",
    "    try:",
    "        result = eval(source)",
    "    except BaseException as e:",
    "        return",
    "    print('ESCAPED', source, repr(result)[:200])",
    ...expressions.map((expression) => `attempt(${JSON.stringify(expression)})`),
  ].join("\n");
}

const ends: readonly Outcome[] = ["passed"];
const python = (): readonly Row[] => [
  {
    name: "read a file of the host",
    program: attempts(
      `open(${JSON.stringify(secretFile)}).read()`,
      "open('/etc/passwd').read()",
      "open('/proc/self/environ').read()",
    ),
    outcomes: ends,
  },
  {
    name: "read a file relative to the library",
    program: attempts(
      "open('/lib/../etc/passwd').read()",
      "open('/usr/local/lib/../../../etc/passwd').read()",
      "open('../../../../etc/passwd').read()",
    ),
    outcomes: ends,
  },
  {
    name: "read the sandbox's own code",
    program: attempts(
      "open('/package.json').read()",
      "open('package.json').read()",
      "open('sandboxProcess.js').read()",
    ),
    outcomes: ends,
  },
  {
    name: "write a file of the host",
    program: attempts(
      `open(${JSON.stringify(join(folder, "new"))}, 'w').write('x')`,
      "open('/tmp/fathom-escape', 'w')",
      "open('x', 'w')",
      "open('/dev/shm/x', 'wb')",
    ),
    outcomes: ends,
  },
  {
    name: "list folders of the host",
    program: lines(
      "import os",
      "for p in ('/', '/etc', '/home', '/root', '/proc', '.'):",
      "    try:",
      "        names = os.listdir(p)",
      "        if set(names) - {'lib', 'usr', 'local', 'python3.12', 'python312.zip'}: print('ESCAPED', p, names)",
      "    except OSError: pass",
    ),
    outcomes: ends,
  },
  {
    name: "write into the library",
    program: attempts(
      "open('/lib/typing.pyc', 'wb', 0).write(b'x')",
      "open('/lib/typing.pyc', 'r+b', 0).write(b'x')",
      "open('/lib/typing.pyc', 'ab', 0).write(b'x')",
      "open('/lib/new.py', 'w').write('x')",
    ),
    outcomes: ends,
  },
  {
    name: "truncate a file of the library",
    program: attempts(
      "__import__('os').truncate('/lib/typing.pyc', 0)",
      "__import__('os').ftruncate(__import__('os').open('/lib/typing.pyc', 0), 0)",
      "__import__('posix').posix_fallocate(__import__('os').open('/lib/typing.pyc', 0), 0, 10000000)",
    ),
    outcomes: ends,
  },
  {
    name: "remove and rename files of the library",
    program: attempts(
      "__import__('os').unlink('/lib/typing.pyc')",
      "__import__('os').rename('/lib/typing.pyc', '/lib/x.pyc')",
      "__import__('os').rename('/lib/json', '/lib/j')",
      "__import__('os').rmdir('/lib/json')",
      "__import__('os').link('/lib/typing.pyc', '/lib/t.pyc')",
    ),
    outcomes: ends,
  },
  {
    name: "make folders and links",
    program: attempts(
      "__import__('os').mkdir('/lib/d')",
      "__import__('os').mkdir('d')",
      "__import__('os').symlink('/etc/passwd', '/lib/p')",
    ),
    outcomes: ends,
  },
  {
    name: "open the library's folder for writing",
    program: attempts(
      "__import__('os').write(__import__('os').open('/lib/typing.pyc', __import__('os').O_RDWR), b'x')",
      "__import__('os').write(__import__('os').open('/lib', 0), b'x')",
    ),
    outcomes: ends,
  },
  {
    name: "write to every descriptor",
    program: lines(
      "import os",
      "for fd in range(3, 200):",
      "    try:",
      "        os.write(fd, b'x')",
      "        print('ESCAPED', fd)",
      "    except OSError: pass",
    ),
    outcomes: ends,
  },
  {
    name: "read every descriptor",
    program: lines(
      "import os",
      "for fd in range(3, 200):",
      "    try:",
      "        d = os.read(fd, 100)",
      "        if d: print('ESCAPED', fd, d)",
      "    except OSError: pass",
    ),
    outcomes: ends,
  },
  {
    name: "run a command",
    program: attempts(
      "__import__('os').system('id')",
      "__import__('os').popen('id').read()",
      "__import__('subprocess').check_output(['id'])",
      "__import__('os').execv('/bin/sh', ['sh'])",
      "__import__('os').posix_spawn('/bin/sh', ['sh'], {})",
    ),
    outcomes: ends,
  },
  {
    name: "fork",
    program: attempts(
      "__import__('os').fork()",
      "__import__('multiprocessing').Process(target=print).start()",
      "__import__('pty').fork()",
    ),
    outcomes: ends,
  },
  {
    name: "send a signal",
    program: attempts(
      "__import__('os').kill(1, 9)",
      "__import__('os').kill(__import__('os').getppid(), 9)",
      "__import__('os').killpg(0, 9)",
      "__import__('signal').raise_signal(9)",
    ),
    outcomes: ["passed", "failed", "crashed"],
  },
  {
    name: "start a thread",
    program: attempts(
      "__import__('threading').Thread(target=print).start()",
      "__import__('_thread').start_new_thread(print, ())",
    ),
    outcomes: ends,
  },
  {
    name: "connect to the host",
    program: lines(
      "import socket",
      "try:",
      "    s = socket.socket()",
      `    s.connect(('127.0.0.1', ${port}))`,
      "    print('ESCAPED')",
      "except BaseException: pass",
    ),
    outcomes: ["passed", "crashed"],
  },
  {
    name: "look up a name",
    program: attempts(
      "__import__('socket').getaddrinfo('localhost', 80)",
      "__import__('socket').gethostbyname('localhost')",
      "__import__('socket').create_connection(('127.0.0.1', 80))",
    ),
    outcomes: ["passed", "crashed"],
  },
  {
    name: "fetch a page",
    program: lines(
      "import urllib.request",
      "try:",
      `    urllib.request.urlopen('http://127.0.0.1:${port}/')`,
      "    print('ESCAPED')",
      "except BaseException: pass",
    ),
    outcomes: ["passed", "failed", "crashed"],
  },
  {
    name: "use sockets by number",
    program: attempts(
      "__import__('socket').socket(fileno=0).recv(10)",
      "__import__('socket').socket(fileno=3).accept()",
      "__import__('_socket').socket(fileno=1).send(b'x')",
    ),
    outcomes: ["passed", "crashed", "failed"],
  },
  {
    name: "call the C library",
    program: attempts("__import__('ctypes').CDLL(None).system(b'id')", "__import__('_ctypes')", "__import__('cffi')"),
    outcomes: ends,
  },
  {
    name: "map memory",
    program: attempts(
      "__import__('mmap').mmap(-1, 100)",
      "__import__('multiprocessing.shared_memory').shared_memory.SharedMemory(create=True, size=10)",
    ),
    outcomes: ends,
  },
  {
    name: "read the environment",
    program: "import os\nleft = set(os.environ) - {'PYTHONHASHSEED', 'PYTHONPATH'}\nif left: print('ESCAPED', left)",
    outcomes: ends,
  },
  {
    name: "change the environment of later programs",
    program: "import os\nos.environ['PYTHONPATH'] = '/etc'\nos.environ['EVIL'] = '1'",
    outcomes: ends,
  },
  {
    name: "patch builtins for later programs",
    program: lines(
      "import builtins, sys, json",
      "builtins.print = lambda *a: None",
      "builtins.len = lambda x: 0",
      "json.dumps = None",
      "sys.modules['math'] = None",
    ),
    outcomes: ["passed", "failed"],
  },
  {
    name: "leave something at exit",
    program: "import atexit\n@atexit.register\ndef f():\n    while True: pass",
    outcomes: ["timeout"],
    timeoutMs: 700,
  },
  { name: "never end", program: "while True: pass", outcomes: ["timeout"], timeoutMs: 500 },
  { name: "never end inside the C code", program: "sum(iter(int, 1))", outcomes: ["timeout"], timeoutMs: 500 },
  { name: "never end in a power", program: "x = 9 ** 9 ** 9", outcomes: ["timeout", "memory"], timeoutMs: 700 },
  {
    name: "never end in a regular expression",
    program: "import re\nre.match(r'(a+)+$', 'a' * 50 + 'b')",
    outcomes: ["timeout"],
    timeoutMs: 1000,
  },
  {
    name: "catch everything and go on",
    program: "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    outcomes: ["timeout"],
    timeoutMs: 500,
  },
  { name: "sleep", program: "import time\ntime.sleep(100000)", outcomes: ["timeout"], timeoutMs: 1000 },
  {
    name: "sleep in small pieces",
    program: "import time\nwhile True: time.sleep(0.5)",
    outcomes: ["timeout"],
    timeoutMs: 1000,
  },
  {
    name: "wait for input that never comes",
    program: lines(
      "import sys",
      "for _ in range(3): sys.stdin.read()",
      "import select",
      "try: select.select([0], [], [], 1000)",
      "except OSError: pass",
    ),
    outcomes: ["passed", "timeout"],
    timeoutMs: 1000,
  },
  { name: "take all memory at once", program: "x = bytearray(3 << 30)", outcomes: ["failed", "memory"] },
  {
    name: "take all memory in pieces",
    program: "x = []\nwhile True: x.append(bytearray(1 << 20))",
    outcomes: ["failed", "memory", "crashed"],
  },
  {
    name: "take all memory and catch it",
    program: "x = []\nwhile True:\n    try: x.append(bytearray(1 << 22))\n    except MemoryError: pass",
    outcomes: ["timeout", "memory"],
    timeoutMs: 1500,
  },
  {
    name: "take all memory with a string",
    program: "s = 'a'\nwhile True: s += s",
    outcomes: ["failed", "memory", "crashed"],
  },
  {
    name: "recurse without end",
    program: "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(): f()\nf()",
    outcomes: ["memory", "crashed", "failed", "timeout"],
    timeoutMs: 3000,
  },
  {
    name: "recurse without end in C code",
    program: "import sys\nsys.setrecursionlimit(1 << 30)\nx = []\nfor _ in range(1000000): x = [x]\nrepr(x)",
    outcomes: ["failed", "crashed", "memory"],
  },
  { name: "print without end", program: "while True: print('ESC' * 1000)", outcomes: ["failed"] },
  {
    name: "print without end to standard error",
    program: "import sys\nwhile True: sys.stderr.write('x' * 100000)",
    outcomes: ["failed"],
  },
  { name: "print one huge thing", program: "print('x' * 100_000_000)", outcomes: ["failed", "memory"] },
  {
    name: "break the interpreter",
    program: "import _testcapi\n_testcapi.fatal_error(b'x')",
    outcomes: ["failed", "crashed"],
  },
  {
    name: "break the interpreter's memory",
    program: "import faulthandler\nfaulthandler._sigsegv()",
    outcomes: ["crashed", "failed", "passed"],
  },
  {
    name: "break the interpreter with code made by hand",
    program: "def f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\x64\\xff' * 50, co_stacksize=1)\nf()",
    outcomes: ["crashed", "failed", "passed"],
  },
];

const javascript = (): readonly Row[] => [
  {
    name: "the module system of the host",
    program: script(
      "require('child_process')",
      "require('node:net')",
      "require('fs').readdirSync('/')",
      `require('fs').readFileSync(${JSON.stringify(secretFile)})`,
      "process.binding('fs')",
      "process.mainModule.require('fs')",
      "module.constructor._load('fs')",
    ),
    outcomes: ends,
  },
  {
    name: "the host through a constructor",
    program: script(
      "(() => {}).constructor('return process')().env.PATH.length",
      "Function('return this')().process.getBuiltinModule('fs')",
      "require.constructor('return process')().mainModule",
      "console.log.constructor('return globalThis')().Buffer.from('x')",
    ),
    outcomes: ends,
  },
  {
    name: "the host through an error",
    program: script(
      "(() => { try { null.x } catch (e) { return e.constructor.constructor('return Buffer')() } })()",
      "(Error.prepareStackTrace = (_, frames) => frames, new Error().stack[0].getThis())",
      "(() => { try { require('none') } catch (e) { return e.constructor.prepareStackTrace('x') } })()",
    ),
    outcomes: ends,
  },
  {
    name: "objects of the host's language",
    program: script(
      "new SharedArrayBuffer(8) && Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1) && WebAssembly.compile",
      "fetch('http://127.0.0.1')",
      "new Worker('x')",
      "new WebSocket('ws://127.0.0.1')",
      "Deno.readTextFileSync('/etc/passwd')",
      "std.loadFile('/etc/passwd')",
      "os.exec(['id'])",
    ),
    outcomes: ends,
  },
  {
    name: "import a module of the host",
    program: lines(
      "import('fs').then((m) => console.log('ESCAPED', m), () => {});",
      "import('os').then((m) => console.log('ESCAPED', m), () => {});",
    ),
    outcomes: ends,
  },
  {
    name: "import a file of the host",
    program: `import * as m from ${JSON.stringify(secretFile)};\nconsole.log('ESCAPED', m);`,
    outcomes: ["failed"],
  },
  { name: "never end", program: "for (;;);", outcomes: ["timeout"], timeoutMs: 500 },
  {
    name: "never end and catch everything",
    program: "for (;;) { try { for (;;); } catch {} finally { continue; } }",
    outcomes: ["timeout"],
    timeoutMs: 500,
  },
  {
    name: "never end in jobs",
    program: "const f = () => Promise.resolve().then(f); f();",
    outcomes: ["timeout"],
    timeoutMs: 500,
  },
  { name: "never end in timers", program: "setInterval(() => {}, 1000);", outcomes: ["timeout"], timeoutMs: 500 },
  {
    name: "never end in a regular expression",
    program: "/(a+)+$/.test('a'.repeat(60) + 'b')",
    outcomes: ["timeout", "failed"],
    timeoutMs: 700,
  },
  {
    name: "never end in a getter of an error",
    program: "throw { get name() { for (;;); }, get message() { for (;;); } }",
    outcomes: ["timeout", "failed"],
    timeoutMs: 500,
  },
  {
    name: "take all memory",
    program: "const a = []; for (;;) a.push(new Array(100000).fill(0));",
    outcomes: ["memory", "failed"],
  },
  {
    name: "take all memory and catch it",
    program: "const a = []; for (;;) { try { a.push(new Uint8Array(1 << 22)); } catch {} }",
    outcomes: ["timeout", "memory"],
    timeoutMs: 1500,
  },
  { name: "take all memory with a string", program: "let s = 'a'; for (;;) s += s;", outcomes: ["memory", "failed"] },
  { name: "recurse without end", program: "const f = () => f() + 1; f();", outcomes: ["failed", "crashed"] },
  {
    name: "recurse without end in the engine",
    program: "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; JSON.stringify(a);",
    outcomes: ["failed", "crashed", "memory", "timeout"],
    timeoutMs: 1500,
  },
  { name: "print without end", program: "for (;;) console.log('x'.repeat(1000));", outcomes: ["failed"] },
  {
    name: "print without end and catch it",
    program: "for (;;) { try { console.log('x'.repeat(1000)); } catch {} }",
    outcomes: ["failed"],
  },
  { name: "print one huge thing", program: "console.log('x'.repeat(100_000_000))", outcomes: ["failed", "memory"] },
  {
    name: "patch the language for later programs",
    program:
      "Array.prototype.map = () => []; JSON.stringify = () => '1'; Object.prototype.evil = 1; globalThis.console = {};",
    outcomes: ends,
  },
];

function script(...expressions: readonly string[]): string {
  return [
    "function attempt(source) {",
    "  let result;",
    "  try { result = (0, eval)(source); } catch { return; }",
    "  if (result !== undefined) console.log('ESCAPED', source, String(result).slice(0, 200));",
    "}",
    ...expressions.map((expression) => `attempt(${JSON.stringify(expression)});`),
  ].join("\n");
}

describe.concurrent("python", () => {
  for (const index of python().keys()) {
    test(`does not succeed: ${python()[index]?.name}`, () => tryRow("python", python()[index]));
  }
});

describe.concurrent("javascript", () => {
  for (const index of javascript().keys()) {
    test(`does not succeed: ${javascript()[index]?.name}`, () => tryRow("javascript", javascript()[index]));
  }
});

async function tryRow(language: "python" | "javascript", row: Row | undefined): Promise<void> {
  if (row === undefined) throw new Error("internal: no such row");
  const { program, outcomes, timeoutMs } = row;
  const result = await sandbox.run({ language, program, stdin: "", ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  expect(result.stdout).not.toContain("ESCAPED");
  expect(result.stdout.length).toBeLessThanOrEqual(64_000);
  expect({
    outcome: result.outcome,
    allowed: outcomes.includes(result.outcome),
    message: result.message,
  }).toMatchObject({ allowed: true });
}

test("nothing outside has changed, and no connection was made", () => {
  expect(existsSync(join(folder, "new"))).toBe(false);
  expect(existsSync("/tmp/fathom-escape")).toBe(false);
  expect(readFileSync(secretFile, "utf8")).toContain("the secret of this test");
  expect(numConnections).toBe(0);
});

test("later programs find a clean interpreter", async () => {
  const program = lines(
    "import typing, json, math, os",
    "assert len([1]) == 1 and json.dumps([1]) == '[1]'",
    "assert sorted(os.environ) == ['PYTHONHASHSEED', 'PYTHONPATH']",
    "print(math.floor(2.5), typing.List)",
  );
  const script = "console.log([1, 2].map((x) => x * 2), JSON.stringify({ a: 1 }), ({}).evil)";
  for (let i = 0; i < 4; i++) {
    expect(await sandbox.run({ language: "python", program, stdin: "" })).toMatchObject({
      outcome: "passed",
      stdout: "2 typing.List\n",
    });
    const result = await sandbox.run({ language: "javascript", program: script, stdin: "" });
    expect(result).toMatchObject({ outcome: "passed", stdout: '[ 2, 4 ] {"a":1} undefined\n' });
  }
});
