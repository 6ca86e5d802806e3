/**
 * JavaScript that runs the tests, in a runtime that the program never enters: pythonJudge.ts in the other language, with the same rules for
 * stand-ins of the program's functions and objects. A stand-in converts to no primitive and is equal to nothing but itself; the methods
 * that confirm a value they are given work only on objects the tests made by calling `new` on a name with a capital letter.
 */
import { javascriptCodec } from "./javascriptCodec.js";
import { javascriptAssert } from "./javascriptEnvironment.js";

/** An expression: a function of the host's functions that returns `{ call, prepare, isUsed }`. */
export const javascriptJudge = String.raw`(function (ask) {
${javascriptCodec}
${javascriptAssert}
  const confirming = new Set(("includes indexOf lastIndexOf find findIndex findLast findLastIndex every some startsWith endsWith has match"
    + " matchAll search test localeCompare hasOwnProperty isPrototypeOf propertyIsEnumerable equals isSubsetOf isSupersetOf").split(" "));
  const remotes = new Map();
  const facts = new WeakMap();
  const thrownObjects = new WeakMap();
  const functions = [];
  let isUsed = false;

  function remoteOf(index, kind, type) {
    const known = remotes.get(index);
    if (known !== undefined) return known;
    const fact = { index, isMade: false, name: "", type };
    const refuse = (what) => {
      throw new TypeError("an object of the program's class " + type + " " + what + " here");
    };
    const named = (name) => (name === Symbol.iterator ? "@@iterator" : name === Symbol.asyncIterator ? "@@asyncIterator" : name);
    const traps = {
      get(_, name) {
        if (name === "then" || name === Symbol.toStringTag) return undefined;
        if (name === Symbol.toPrimitive) return () => refuse("is no primitive value");
        if (name === Symbol.hasInstance) return (value) => perform("instanceof", [value, remote]) === true;
        if (typeof named(name) === "symbol") return undefined;
        if (!fact.isMade && confirming.has(name)) refuse("may not answer ." + name);
        const value = perform("get", [remote, named(name)]);
        if (typeof value !== "function" || !facts.has(value)) return value;
        return new Proxy(value, { apply: (_target, _self, args) => perform("invoke", [remote, named(name), ...args]) });
      },
      set: (_, name, value) => (perform("set", [remote, named(name), value]), true),
      has: (_, name) => (fact.isMade ? perform("has", [remote, named(name)]) === true : refuse("may not answer 'in'")),
      deleteProperty: (_, name) => (perform("delete", [remote, named(name)]), true),
      ownKeys: () => [...perform("keys", [remote])].map(String),
      getOwnPropertyDescriptor(_, name) {
        return { value: perform("get", [remote, named(name)]), enumerable: true, configurable: true, writable: true };
      },
      getPrototypeOf: () => (kind === "c" ? Function.prototype : Object.prototype),
    };
    if (kind === "c") {
      traps.apply = (_target, _self, args) => perform("call", [remote, ...args]);
      traps.construct = (_, args) => {
        const made = perform("construct", [remote, ...args]);
        const fact = facts.get(made);
        if (fact === undefined) throw new TypeError("new " + remoteName(remote) + " gave no object");
        if (/^\p{Lu}/u.test(remoteName(remote))) fact.isMade = true;
        return made;
      };
      delete traps.ownKeys;
      delete traps.getOwnPropertyDescriptor;
    }
    const remote = new Proxy(kind === "c" ? (() => function () {})() : {}, traps);
    facts.set(remote, fact);
    remotes.set(index, remote);
    return remote;
  }
  const remoteName = (remote) => facts.get(remote).name;

  function encodeOther(v) {
    const fact = facts.get(v);
    if (fact !== undefined) return ["h", fact.index];
    if (typeof v !== "function") throw new TypeError("the tests pass an object that cannot be sent to the program");
    if (!functions.includes(v)) functions.push(v);
    return ["w", functions.indexOf(v)];
  }
  function decodeOther(j) {
    if (j[0] === "h") return remoteOf(Number(j[1]), String(j[2]), String(j[3]));
    if (j[0] === "w") return functions[j[1]];
    if (j[0] === "P") return Promise.resolve(decode(j[1]));
    if (j[0] === "Q") return Promise.reject(errorOf(j[1]));
    throw new TypeError("not a value");
  }
  const codec = fathomCodec(encodeOther, decodeOther);
  const encode = (v) => (facts.has(v) ? encodeOther(v) : codec.encode(v));
  const { decode, errors } = codec;

  function errorOf(thrown) {
    if (!("name" in thrown)) return decode(thrown.value);
    const error = new (Object.hasOwn(errors, thrown.name) ? errors[thrown.name] : Error)(String(thrown.message));
    if (!Object.hasOwn(errors, thrown.name)) error.name = String(thrown.name);
    thrownObjects.set(error, Number(thrown.object));
    return error;
  }
  function perform(operation, args) {
    isUsed = true;
    const reply = JSON.parse(ask(JSON.stringify({ do: operation, args: args.map(encode) })));
    if (reply.thrown !== undefined) throw errorOf(reply.thrown);
    for (const [index, after] of reply.changed ?? []) copyInto(args[index], decode(after));
    return decode(reply.value);
  }
  /** What the program did to its copy of an argument is done to ours. */
  function copyInto(mine, now) {
    if (Array.isArray(mine) && Array.isArray(now)) mine.splice(0, mine.length, ...now);
    else if (mine instanceof Map && now instanceof Map) {
      mine.clear();
      for (const [key, value] of now) mine.set(key, value);
    } else if (mine instanceof Set && now instanceof Set) {
      mine.clear();
      for (const value of now) mine.add(value);
    } else if (ArrayBuffer.isView(mine) && ArrayBuffer.isView(now)) mine.set(now);
    else {
      for (const key of Object.keys(mine)) if (!Object.hasOwn(now, key)) delete mine[key];
      Object.assign(mine, now);
    }
  }
  const assert = fathomAssert({
    open: (v) => (facts.has(v) && typeof v !== "function" ? perform("snapshot", [v]) : v),
    isError(error, type) {
      if (!facts.has(type)) return error instanceof type;
      if (!thrownObjects.has(error)) return false;
      return perform("instanceof", [remoteOf(thrownObjects.get(error), "o", "Error"), type]) === true;
    },
  });
  globalThis.assert = assert;
  globalThis.console = { log() {}, error() {}, warn() {}, info() {}, assert };
  globalThis.require = (name) => {
    if (/^(node:)?assert(\/strict)?$/.test(name)) return assert;
    throw new Error("Cannot find module '" + name + "' (tests have 'assert' alone)");
  };
  /** Called by the program through a function the tests passed to it. */
  function call(request) {
    try {
      const { callback, args } = JSON.parse(request);
      return JSON.stringify({ value: encode(functions[callback](...args.map(decode))) });
    } catch (error) {
      return JSON.stringify({ thrown: codec.encode(error instanceof Error ? error : String(error)) });
    }
  }
  /** Defines the names of the program that the tests use. */
  function prepare(names, entryPoint) {
    const missing = names.filter((name) => name === entryPoint || !(name in globalThis));
    for (const name of perform("names", [missing])) {
      if (!missing.includes(name)) continue;
      const get = () => {
        const value = perform("name", [name]);
        if (facts.has(value)) facts.get(value).name = name;
        return value;
      };
      const first = get();
      const fixed = facts.has(first) ? { value: first, writable: true } : { get };
      Object.defineProperty(globalThis, name, { ...fixed, configurable: true });
    }
    isUsed = false;
  }
  return { call, prepare, isUsed: () => isUsed };
})`;
