/**
 * What a JavaScript program finds around it, written in the guest's own language: `console`, timers on a clock that jumps, `process`, and
 * `require` of `fs` (standard input alone), `readline`, `util` and `assert`. A small part of Node's, enough for programs that read
 * standard input and print. Deviation: `console.log` breaks long arrays one element a line, where Node makes columns.
 */

/** `deepEqual` and the functions of `assert`; used by the judge for its tests, and by programs for their own. */
export const javascriptAssert = `
function fathomAssert(hooks) {
  class AssertionError extends Error {
    constructor(message) {
      super(message);
      this.name = "AssertionError";
    }
  }
  const show = (v) => {
    try {
      return typeof v === "string" ? JSON.stringify(v) : typeof v === "object" && v !== null ? JSON.stringify(v) : String(v);
    } catch {
      return "?";
    }
  };
  const fail = (message, text) => {
    if (message instanceof Error) throw message;
    throw new AssertionError(message === undefined ? text : String(message));
  };
  function deep(a, b, strict, seen) {
    if (Object.is(a, b)) return true;
    a = hooks.open(a);
    b = hooks.open(b);
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
      return strict ? Object.is(a, b) : a == b || (a !== a && b !== b);
    }
    if (seen.length > 200) throw new RangeError("objects nested more than 200 deep");
    if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const next = [...seen, a];
    const same = (x, y) => deep(x, y, strict, next);
    if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
    if (a instanceof RegExp && b instanceof RegExp) return String(a) === String(b);
    if (a instanceof Error && b instanceof Error && (a.message !== b.message || a.name !== b.name)) return false;
    if (a instanceof Map && b instanceof Map) {
      return a.size === b.size && [...a].every(([k, v]) => [...b].some(([l, w]) => same(k, l) && same(v, w)));
    }
    if (a instanceof Set && b instanceof Set) return a.size === b.size && [...a].every((v) => [...b].some((w) => same(v, w)));
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    return keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
  }
  const is = {
    equal: (a, b) => a == b || (a !== a && b !== b),
    strictEqual: (a, b) => Object.is(a, b),
    deepEqual: (a, b) => deep(a, b, false, []),
    deepStrictEqual: (a, b) => deep(a, b, true, []),
  };
  const assert = (value, message) => {
    if (!value) fail(message, "the value is " + show(value));
  };
  assert.ok = assert;
  for (const [name, test] of Object.entries(is)) {
    assert[name] = (a, b, message) => {
      if (!test(a, b)) fail(message, name + ": got " + show(a) + ", expected " + show(b));
    };
    const not = "not" + name[0].toUpperCase() + name.slice(1);
    assert[not] = (a, b, message) => {
      if (test(a, b)) fail(message, not + ": both are " + show(a));
    };
  }
  assert.fail = (message) => fail(message, "failed");
  assert.match = (text, pattern, message) => {
    if (typeof text !== "string" || !pattern.test(text)) fail(message, show(text) + " does not match " + pattern);
  };
  const fits = (error, expected) => {
    if (expected === undefined || typeof expected === "string") return true;
    if (expected instanceof RegExp) return expected.test(String(error));
    if (typeof expected === "function") return hooks.isError(error, expected);
    return Object.keys(expected).every((key) =>
      expected[key] instanceof RegExp ? expected[key].test(String(error[key])) : deep(error[key], expected[key], true, []));
  };
  assert.throws = (run, expected, message) => {
    let error;
    try {
      run();
    } catch (caught) {
      error = { caught };
    }
    if (!error) fail(typeof expected === "string" ? expected : message, "nothing was thrown");
    else if (!fits(error.caught, expected)) throw error.caught;
  };
  assert.rejects = async (promise, expected, message) => {
    let error;
    try {
      await (typeof promise === "function" ? promise() : promise);
    } catch (caught) {
      error = { caught };
    }
    if (!error) fail(message, "nothing was rejected");
    else if (!fits(error.caught, expected)) throw error.caught;
  };
  assert.doesNotThrow = (run) => run();
  assert.AssertionError = AssertionError;
  assert.strict = assert;
  return assert;
}
`;

export const javascriptEnvironment = String.raw`${javascriptAssert}
function fathomEnvironment(write, exit, runJobs, stdin) {
  const quoted = (text) => "'" + text.replace(/\\/g, "\\\\").replace(/'/g, "\\'").replace(/\n/g, "\\n") + "'";
  const group = (open, parts, close) => {
    if (parts.length === 0) return open + close;
    const line = open + " " + parts.join(", ") + " " + close;
    return line.length <= 76 && !line.includes("\n") ? line : open + "\n  " + parts.join(",\n").replace(/\n/g, "\n  ") + "\n" + close;
  };
  function inspect(v, depth = 0, seen = []) {
    if (typeof v === "string") return quoted(v);
    if (typeof v === "bigint") return v + "n";
    if (Object.is(v, -0)) return "-0";
    if (typeof v === "function") return "[" + (/^class\b/.test(String(v)) ? "class " : "Function: ") + (v.name || "(anonymous)") + "]";
    if (typeof v !== "object" || v === null) return String(v);
    if (seen.includes(v)) return "[Circular *1]";
    const inner = (x) => inspect(x, depth + 1, [...seen, v]);
    const name = Object.getPrototypeOf(v)?.constructor?.name ?? "Object";
    if (v instanceof Error) return v.stack ? String(v) + "\n" + v.stack.trimEnd() : String(v);
    if (v instanceof Date) return v.toISOString();
    if (v instanceof RegExp) return String(v);
    if (depth > 2) return Array.isArray(v) ? "[Array]" : "[" + name + "]";
    if (Array.isArray(v)) {
      const parts = v.slice(0, 100).map(inner);
      if (v.length > 100) parts.push("... " + (v.length - 100) + " more items");
      return group("[", parts, "]");
    }
    if (v instanceof Map) return "Map(" + v.size + ") " + group("{", [...v].map(([k, x]) => inner(k) + " => " + inner(x)), "}");
    if (v instanceof Set) return "Set(" + v.size + ") " + group("{", [...v].map(inner), "}");
    const parts = Object.entries(v).map(([k, x]) => (/^[\w$]+$/.test(k) ? k : quoted(k)) + ": " + inner(x));
    return (name === "Object" ? "" : name + " ") + group("{", parts, "}");
  }
  function format(values) {
    let rest = values;
    let text = "";
    if (typeof rest[0] === "string" && rest.length > 1) {
      const used = rest.slice(1);
      text = rest[0].replace(/%[sdifjoO%]/g, (mark) => {
        if (mark === "%%") return "%";
        if (used.length === 0) return mark;
        const v = used.shift();
        if (mark === "%s") return typeof v === "string" ? v : inspect(v);
        if (mark === "%d") return String(Number(v));
        if (mark === "%i") return String(Number.parseInt(v));
        if (mark === "%f") return String(Number.parseFloat(v));
        return mark === "%j" ? JSON.stringify(v) : inspect(v);
      });
      rest = used;
      if (rest.length > 0) text += " ";
    }
    return text + rest.map((v) => (typeof v === "string" ? v : inspect(v))).join(" ");
  }
  const out = (...values) => write("stdout", format(values) + "\n");
  const err = (...values) => write("stderr", format(values) + "\n");
  globalThis.console = { log: out, info: out, debug: out, dir: out, error: err, warn: err, trace: err, table: out,
    assert: (value, ...rest) => value || err("Assertion failed", ...rest), time() {}, timeEnd() {}, group() {}, groupEnd() {} };
  globalThis.print = out;

  const timers = [];
  let order = 0;
  let now = 0;
  const later = (callback, ms, args, every) => {
    timers.push({ at: now + Math.max(1, Number(ms) || 0), id: ++order, callback, args, every });
    return order;
  };
  globalThis.setTimeout = (callback, ms, ...args) => later(callback, ms, args, null);
  globalThis.setInterval = (callback, ms, ...args) => later(callback, ms, args, ms);
  globalThis.setImmediate = (callback, ...args) => later(callback, 0, args, null);
  globalThis.queueMicrotask = (callback) => void Promise.resolve().then(callback);
  globalThis.clearTimeout = globalThis.clearInterval = globalThis.clearImmediate = (id) => {
    const at = timers.findIndex((timer) => timer.id === id);
    if (at >= 0) timers.splice(at, 1);
  };
  /** Runs what waits until nothing does, or until "isDone". */
  function settle(isDone) {
    runJobs();
    while (!isDone() && timers.length > 0) {
      timers.sort((a, b) => a.at - b.at || a.id - b.id);
      const timer = timers.shift();
      now = timer.at;
      if (timer.every !== null) timers.push({ ...timer, at: now + Math.max(1, Number(timer.every) || 0) });
      timer.callback(...timer.args);
      runJobs();
    }
  }

  const lines = () => {
    const all = stdin.split(/\r?\n/);
    if (all[all.length - 1] === "") all.pop();
    return all;
  };
  const emitter = (start) => {
    const listeners = {};
    const emit = (name, ...args) => (listeners[name] ?? []).forEach((listener) => listener(...args));
    let isStarted = false;
    const on = (name, listener) => {
      (listeners[name] ??= []).push(listener);
      if (!isStarted) {
        isStarted = true;
        later(() => start(emit), 0, [], null);
      }
      return self;
    };
    const same = () => self;
    const self = { on, once: on, addListener: on, setEncoding: same, resume: same, pause: same, close() {}, removeListener() {} };
    return self;
  };
  globalThis.process = {
    argv: ["node", "program.js"], env: {}, platform: "linux", exitCode: 0, version: "v20.0.0", versions: {},
    exit: (code) => exit(Number(code ?? globalThis.process.exitCode) || 0),
    stdout: { write: (text) => (write("stdout", String(text)), true) },
    stderr: { write: (text) => (write("stderr", String(text)), true) },
    stdin: Object.assign(
      emitter((emit) => {
        if (stdin !== "") emit("data", stdin);
        emit("end");
        emit("close");
      }),
      { fd: 0, async *[Symbol.asyncIterator]() { if (stdin !== "") yield stdin; } },
    ),
    nextTick: (callback, ...args) => void Promise.resolve().then(() => callback(...args)),
    hrtime: Object.assign(() => [Math.floor(Date.now() / 1000), 0], { bigint: () => BigInt(Date.now()) * 1000000n }),
    on() {}, cwd: () => "/", uptime: () => now / 1000, memoryUsage: () => ({ heapUsed: 0 }),
  };
  globalThis.performance ??= { now: () => Date.now() };
  globalThis.global = globalThis;
  const assert = fathomAssert({ open: (v) => v, isError: (error, type) => error instanceof type });
  const modules = {
    fs: {
      readFileSync(path) {
        if (path === 0 || path === "/dev/stdin") return stdin;
        throw new Error("ENOENT: no such file or directory, open '" + path + "'");
      },
      existsSync: () => false,
      writeSync: (fd, text) => write(fd === 2 ? "stderr" : "stdout", String(text)),
    },
    readline: {
      createInterface() {
        let unread = null;
        const next = () => (unread ??= lines()).shift();
        const self = emitter((emit) => {
          for (let line = next(); line !== undefined; line = next()) emit("line", line);
          emit("close");
        });
        self.question = (text, options, callback = options) => {
          write("stdout", text);
          later(() => callback(next() ?? ""), 0, [], null);
        };
        self[Symbol.asyncIterator] = async function* () {
          for (let line = next(); line !== undefined; line = next()) yield line;
        };
        return self;
      },
    },
    util: { inspect: (v) => inspect(v), format: (...values) => format(values), isDeepStrictEqual: (a, b) => {
      try {
        assert.deepStrictEqual(a, b);
        return true;
      } catch {
        return false;
      }
    } },
    assert,
    perf_hooks: { performance: globalThis.performance },
  };
  globalThis.module = { exports: {} };
  globalThis.exports = globalThis.module.exports;
  globalThis.require = (name) => {
    const found = modules[String(name).replace(/^node:/, "").replace(/\/strict$/, "")];
    if (found === undefined) throw new Error("Cannot find module '" + name + "'");
    return found;
  };
  return settle;
}
`;
