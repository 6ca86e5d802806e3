/**
 * JavaScript that runs in the program's runtime and answers questions about the program; pythonProgram.ts in the other language. The
 * program can break it and then fails; nothing that decides over a verdict is here.
 */
import { javascriptCodec } from "./javascriptCodec.js";
import { javascriptEnvironment } from "./javascriptEnvironment.js";

/** An expression: a function of the host's functions that returns `{ serve, settle }`. */
export const javascriptGuest = `(function (write, exit, runJobs, callback, stdin) {
${javascriptCodec}
${javascriptEnvironment}
  const settle = fathomEnvironment(write, exit, runJobs, stdin);
  const { stringify, parse } = JSON;
  const globalEval = eval;
  const { apply, construct, get, set, has, ownKeys, deleteProperty } = Reflect;
  const isEnumerable = Object.prototype.propertyIsEnumerable;
  const PromiseType = Promise;
  const then = Promise.prototype.then;
  const objects = [];
  const places = new Map();
  const wrappers = new Map();
  let namespace = null;

  function place(v) {
    if (!places.has(v)) {
      places.set(v, objects.length);
      objects.push(v);
    }
    return places.get(v);
  }
  function encodeOther(v) {
    if (wrappers.has(v)) return ["w", wrappers.get(v)];
    if (typeof v === "symbol") throw new TypeError("a symbol cannot leave the program");
    if (v instanceof PromiseType) {
      let state = null;
      apply(then, v, [(value) => (state = ["P", encode(value)]), (error) => (state = ["Q", encodeError(error)])]);
      settle(() => state !== null);
      if (state === null) throw new Error("a promise that nothing settles");
      return state;
    }
    return ["h", place(v), typeof v === "function" ? "c" : "o", String(v?.constructor?.name ?? "Object")];
  }
  function decodeOther(j) {
    if (j[0] === "h") return objects[j[1]];
    if (j[0] === "w") {
      const wrapper = (...args) => {
        const reply = parse(callback(stringify({ callback: j[1], args: args.map(encode) })));
        if (reply.thrown !== undefined) throw decode(reply.thrown);
        return decode(reply.value);
      };
      wrappers.set(wrapper, j[1]);
      return wrapper;
    }
    throw new TypeError("internal: no value");
  }
  const { encode, decode } = fathomCodec(encodeOther, decodeOther);

  function encodeError(error) {
    if (typeof error !== "object" || error === null) return { value: encode(error) };
    return { name: String(error.name ?? "Error"), message: String(error.message ?? ""), object: place(error) };
  }
  function lookup(name) {
    if (namespace !== null && name in namespace) return namespace[name];
    try {
      return globalEval(name);
    } catch (error) {
      const { exports } = globalThis.module ?? {};
      if (exports && typeof exports === "object" && name in exports) return exports[name];
      if (typeof exports === "function" && exports.name === name) return exports;
      throw error;
    }
  }
  const isDefined = (name) => {
    try {
      return lookup(name) !== undefined;
    } catch {
      return false;
    }
  };
  const symbols = { "@@iterator": Symbol.iterator, "@@asyncIterator": Symbol.asyncIterator };
  const key = (name) => symbols[name] ?? name;
  const operations = {
    names: (names) => names.filter(isDefined),
    name: (name) => lookup(name),
    entry(name, ...args) {
      const [owner, method] = name.split(".");
      if (method === undefined) return lookup(owner)(...args);
      return new (lookup(owner))()[method](...args);
    },
    call: (target, ...args) => target(...args),
    invoke: (target, name, ...args) => {
      const method = target[key(name)];
      if (typeof method !== "function") throw new TypeError(String(name) + " is not a function");
      return apply(method, target, args);
    },
    construct: (target, ...args) => construct(target, args),
    get: (target, name) => get(target, key(name)),
    set: (target, name, value) => set(target, key(name), value),
    has: (target, name) => has(target, key(name)),
    delete: (target, name) => deleteProperty(target, key(name)),
    keys: (target) => ownKeys(target).filter((name) => typeof name === "string" && apply(isEnumerable, target, [name])),
    snapshot: (target) => ({ ...target }),
    instanceof: (target, type) => target instanceof type,
  };
  const mutable = ["l", "d", "m", "s", "A"];

  function perform({ do: operation, name, args: given }) {
    const args = name === undefined ? given.map(decode) : [name, ...given.map(decode)];
    const reply = { value: encode(operations[operation](...args)) };
    given.forEach((before, index) => {
      if (!Array.isArray(before) || !mutable.includes(before[0])) return;
      const after = encode(args[index]);
      if (stringify(after) !== stringify(before)) (reply.changed ??= []).push([index, after]);
    });
    return reply;
  }
  function serve(request) {
    try {
      return stringify(perform(parse(request)));
    } catch (error) {
      let thrown = { name: "Error", message: "" };
      try {
        thrown = encodeError(error);
      } catch {}
      return stringify({ thrown });
    }
  }
  return { serve, settle: () => settle(() => false), setNamespace: (value) => { namespace = value; } };
})`;
