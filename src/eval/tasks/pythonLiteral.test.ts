import { expect, test } from "vitest";
import { parsePythonLiteral } from "./pythonLiteral.js";

test("what CPython's repr prints is read back", () => {
  const printed =
    "{'question': 'What\\'s \"it\"?', 'options': ['a', 'b\\'c \"d\"'], 'n': [1, -2.5, 1e-07], 'x': None, 'y': True, 'z': (), " +
    "'u': 'naïve \\u2028 😀 tab\\t nl\\n \\\\ back \\x07 \\x00'}";
  expect(parsePythonLiteral(printed)).toEqual({
    question: 'What\'s "it"?',
    options: ["a", 'b\'c "d"'],
    n: [1, -2.5, 1e-7],
    x: null,
    y: true,
    z: [],
    u: "naïve \u2028 😀 tab\t nl\n \\ back \x07 \x00",
  });
  expect(parsePythonLiteral(" [] ")).toEqual([]);
  expect(parsePythonLiteral("('a',)")).toEqual(["a"]);
  expect(parsePythonLiteral('"it\'s"')).toBe("it's");
  expect(parsePythonLiteral("'\\d'")).toBe("\\d"); // an unknown escape stands for itself
});

test("names, calls and torn text are refused with their place", () => {
  expect(() => parsePythonLiteral("[open('x')]")).toThrow("at character 1, got \"open('x')]\"");
  expect(() => parsePythonLiteral("[1 2]")).toThrow('expected "," at character 3');
  expect(() => parsePythonLiteral("'abc")).toThrow("expected a closing ' at character 4");
  expect(() => parsePythonLiteral("1 + 1")).toThrow("expected the end at character 2");
  expect(() => parsePythonLiteral("Truest")).toThrow("at character 0");
  expect(() => parsePythonLiteral("'\\N{DASH}'")).toThrow("expected a known escape");
});
