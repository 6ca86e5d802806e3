/**
 * JavaScript that runs inside both runtimes, the program's and the judge's: the form in which values cross. As in pythonCodec.ts, with u
 * undefined, m Map, D Date, R RegExp, A a typed array, E an error, and what `encodeOther` makes of the rest. All that it uses of the
 * language is taken before the program runs.
 */
export const javascriptCodec = `
function fathomCodec(encodeOther, decodeOther) {
  const { isArray } = Array;
  const { is, keys, getPrototypeOf, prototype: objectPrototype, hasOwn } = Object;
  const { isFinite: finite } = Number;
  const { ownKeys } = Reflect;
  const TypedArray = getPrototypeOf(Uint8Array);
  const typed = { Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array };
  const errors = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError };
  const [MapType, SetType, DateType, RegExpType, BigIntType, StringType, NumberType] = [Map, Set, Date, RegExp, BigInt, String, Number];
  const map = (items, change) => {
    const result = [];
    for (let i = 0; i < items.length; i++) result[i] = change(items[i]);
    return result;
  };
  const isPlain = (v) => {
    const prototype = getPrototypeOf(v);
    return prototype === objectPrototype || prototype === null;
  };

  function encode(v) {
    if (v === null || typeof v === "string" || typeof v === "boolean") return v;
    if (v === undefined) return ["u"];
    if (typeof v === "number") {
      if (finite(v) && !is(v, -0)) return v;
      return ["f", is(v, -0) ? "-0" : v !== v ? "nan" : v > 0 ? "inf" : "-inf"];
    }
    if (typeof v === "bigint") return ["i", v < 0n ? "-0x" + (-v).toString(16) : "0x" + v.toString(16)];
    if (typeof v !== "object") return encodeOther(v);
    if (isArray(v)) return ["l", ...map(v, encode)];
    const prototype = getPrototypeOf(v);
    if (prototype === MapType.prototype) return ["m", ...map([...v], (pair) => [encode(pair[0]), encode(pair[1])])];
    if (prototype === SetType.prototype) return ["s", ...map([...v], encode)];
    if (prototype === DateType.prototype) return ["D", encode(v.getTime())];
    if (prototype === RegExpType.prototype) return ["R", StringType(v.source), StringType(v.flags)];
    if (v instanceof TypedArray && prototype.constructor && typed[prototype.constructor.name] === prototype.constructor) {
      return ["A", prototype.constructor.name, map(v, encode)];
    }
    if (errors[v.name] && getPrototypeOf(v) === errors[v.name].prototype) return ["E", v.name, StringType(v.message)];
    if (isPlain(v)) {
      const names = keys(v);
      let isData = true;
      for (const name of names) if (typeof v[name] === "function") isData = false;
      if (isData) return ["d", ...map(names, (name) => [name, encode(v[name])])];
    }
    return encodeOther(v);
  }

  function decode(j) {
    if (!isArray(j)) return j;
    const items = j.slice(1);
    switch (j[0]) {
      case "u":
        return undefined;
      case "f":
        return j[1] === "nan" ? NaN : j[1] === "-0" ? -0 : j[1] === "inf" ? Infinity : -Infinity;
      case "i":
        return j[1][0] === "-" ? -BigIntType(j[1].slice(1)) : BigIntType(j[1]);
      case "l":
        return map(items, decode);
      case "d": {
        const result = {};
        for (const [key, value] of items) {
          Object.defineProperty(result, key, { value: decode(value), writable: true, enumerable: true, configurable: true });
        }
        return result;
      }
      case "m":
        return new MapType(map(items, ([key, value]) => [decode(key), decode(value)]));
      case "s":
        return new SetType(map(items, decode));
      case "D":
        return new DateType(decode(j[1]));
      case "R":
        return new RegExpType(j[1], j[2]);
      case "A":
        if (!hasOwn(typed, j[1])) throw new TypeError("not a typed array: " + j[1]);
        return new typed[j[1]](map(j[2], decode));
      case "E":
        if (!hasOwn(errors, j[1])) throw new TypeError("not an error: " + j[1]);
        return new errors[j[1]](j[2]);
      default:
        return decodeOther(j);
    }
  }
  return { encode, decode, errors };
}
`;
