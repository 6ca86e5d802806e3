import { deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { liveCodeBenchTests, readPickledString } from "./liveCodeBenchTests.js";

const tests = [
  { input: "2\n3\n", output: "5\n", testtype: "stdin" },
  { input: "ü", output: "😀", testtype: "functional" },
];

/** base64(zlib(pickle(json.dumps(tests)))) by CPython 3.11, protocols 2 to 5. */
const packed: Readonly<Record<number, string>> = {
  2: "eJxrYIqoYGBgiK5WyswrKC1RslJQMorJM47JU9JRUMovLYGKmUIESlKLS0oqC1JBQsUlKZl5SrU6CkhaD+9B1fZh/owGdH1ppXnJJZn5eYk5SrWxhQx6ACPTKZs=",
  3: "eJxrYI6oYGBgiK5WyswrKC1RslJQMorJM47JU9JRUMovLYGKmUIESlKLS0oqC1JBQsUlKZl5SrU6CkhaD+9B1fZh/owGdH1ppXnJJZn5eYk5SrWxhQx6ACRUKZw=",
  4: "eJxrYJlawwABPRXR1UqZeQWlJUpWCkpGMXnGMXlKOgpK+aUlUDFTiEBJanFJSWVBKkiouCQlM0+pVkcBSevhPajaPsyf0YCuL600L7kkMz8vMUepNnaKHgCi4ysF",
  5: "eJxrYJ1awwABPRXR1UqZeQWlJUpWCkpGMXnGMXlKOgpK+aUlUDFTiEBJanFJSWVBKkiouCQlM0+pVkcBSevhPajaPsyf0YCuL600L7kkMz8vMUepNnaKHgCjaSsG",
};

const hex = (text: string): Buffer => Buffer.from(text, "hex");

test("hidden tests are read from JSON and from what CPython packed", () => {
  expect(liveCodeBenchTests(JSON.stringify(tests), "p1")).toEqual(tests);
  for (const field of Object.values(packed)) expect(liveCodeBenchTests(field, "p1")).toEqual(tests);
});

test("strings longer than 255 bytes and than a frame are read", () => {
  // Headers and ends as CPython writes them for 300 and for 70,000 letters.
  const letters = (count: number): Buffer => Buffer.alloc(count, "y");
  const pickles = [
    Buffer.concat([hex("8002582c010000"), letters(300), hex("71002e")]),
    Buffer.concat([hex("8004953301000000000000582c010000"), letters(300), hex("942e")]),
    Buffer.concat([hex("80045870110100"), letters(70_000), hex("942e")]),
  ];
  expect(pickles.map((pickle) => readPickledString(pickle).length)).toEqual([300, 300, 70_000]);
});

test("any other pickle is refused, a call above all", () => {
  // print("hi"), ["a"] and b"abc", as CPython pickles them.
  const call =
    "80 04 95 1f00000000000000 8c 08 6275696c74696e73 94 8c 05 7072696e74 94 93 94 8c 02 6869 94 85 94 52 94 2e";
  expect(() => readPickledString(hex(call.replaceAll(" ", "")))).toThrow("not a single string (byte 22)");
  for (const other of ["gASVCAAAAAAAAABdlIwBYZRhLg==", "gASVBwAAAAAAAABDA2FiY5Qu"]) {
    expect(() => readPickledString(Buffer.from(other, "base64"))).toThrow("not a single string (byte 11)");
  }
});

test("broken fields are refused with the problem's name", () => {
  const pack = (pickle: Buffer): string => deflateSync(pickle).toString("base64");
  const read = (field: string): unknown => liveCodeBenchTests(field, "abc_1");
  expect(() => read("?!")).toThrow("LiveCodeBench abc_1: test cases are neither a JSON list nor base64");
  expect(() => read("AAAA")).toThrow("do not inflate");
  expect(() => read(pack(hex("80048c05")))).toThrow("the pickle ends early, at byte 4");
  expect(() => read(pack(hex("80048d00000000000000ff")))).toThrow("the pickle ends early");
  expect(() => read(pack(hex("80098c005d2e")))).toThrow("pickle protocol 9 is not one of 2..5");
  expect(() => read(pack(hex("80048c01ff942e")))).toThrow("the pickled string is not UTF-8");
  expect(() => read(pack(hex("80048c0161942e00")))).toThrow("1 bytes follow");
  expect(() => read(pack(hex("80048c0161942e")))).toThrow("are not JSON");
  expect(() => read('[{"input": 1}]')).toThrow("test 0 must have the texts input and output");
  expect(() => read('[{"input": "", "output": "", "testtype": "x"}]')).toThrow('must be stdin or functional, got "x"');
});
