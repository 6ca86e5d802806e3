import { expect, test } from "vitest";
import { parseCsv } from "./csv.js";

test("quoted fields hold separators, quotes and line ends", () => {
  const text = '\ufeffid,text,n\r\n1,"a, ""b""\nc",2\r\n2,plain,\r\n';
  expect(parseCsv(text, ",", "x.csv")).toEqual([
    { id: "1", text: 'a, "b"\nc', n: "2" },
    { id: "2", text: "plain", n: "" },
  ]);
});

test("tabs separate, a last line needs no end, empty lines are none", () => {
  expect(parseCsv("a\tb\n\n1\t2\n3\t", "\t", "x.tsv")).toEqual([
    { a: "1", b: "2" },
    { a: "3", b: "" },
  ]);
  expect(parseCsv("", ",", "x.csv")).toEqual([]);
});

test("what is no CSV is refused with its line", () => {
  expect(() => parseCsv('a,b\n1,"x\ny', ",", "x.csv")).toThrow("x.csv:2: a quoted field does not end");
  expect(() => parseCsv('a,b\n1,"x"y\n', ",", "x.csv")).toThrow('x.csv:2: "y" behind a closing quote');
  expect(() => parseCsv("a,b\n1,2\n3\n", ",", "x.csv")).toThrow("x.csv:3: 1 fields, the header names 2");
  expect(() => parseCsv('a,b\n"1\n2",x,y\n', ",", "x.csv")).toThrow("x.csv:2: 3 fields");
});
