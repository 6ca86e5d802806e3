import { expect, test } from "vitest";
import { dropScore, dropSpans } from "./drop.js";

test("DROP scores are those worked out in the specification, 13.1", () => {
  const cases: readonly (readonly [string | string[], string[], 0 | 1, number])[] = [
    ["the 3 yard touchdown", ["3-yard"], 0, 0.8],
    ["Tom Brady", ["Tom Brady", "Randy Moss"], 0, 0.5],
    [["Randy Moss", "Tom Brady"], ["Tom Brady", "Randy Moss"], 1, 1],
    ["12 yards", ["21 yards"], 0, 0],
    ["83.90", ["83.9"], 1, 1],
    ["1,000", ["1000"], 1, 1],
    ["Eagles and Packers", ["Eagles", "Packers"], 0, 0.25],
    ["in 1999", ["1999"], 0, 0.67],
    ["a U.S. city", ["us city"], 1, 1],
  ];
  const ours = cases.map(([predicted, gold]) => dropScore(predicted, [gold]));
  expect(ours).toEqual(cases.map(([, , exactMatch, f1]) => ({ exactMatch, f1 })));
});

test("the best gold annotation counts, and an empty one counts for nothing", () => {
  expect(dropScore("7", [["6"], ["7"]])).toEqual({ exactMatch: 1, f1: 1 });
  expect(dropScore("", [[""]])).toEqual({ exactMatch: 0, f1: 0 });
  expect(dropScore("", [[]])).toEqual({ exactMatch: 0, f1: 0 });
});

test("an empty prediction scores nothing against a span, and a repeated span is not an exact match of two", () => {
  expect(dropScore("", [["Paris"]])).toEqual({ exactMatch: 0, f1: 0 });
  // Each predicted span serves one gold span: (1 + 0) / 2.
  expect(dropScore(["Paris", "Paris"], [["Paris", "Rome"]])).toEqual({ exactMatch: 0, f1: 0.5 });
});

test("spans predicted beyond the gold ones cost", () => {
  expect(dropScore(["Paris", "Rome"], [["Paris"]])).toEqual({ exactMatch: 0, f1: 0.5 });
});

test("a half in the third decimal goes to the even hundredth", () => {
  // One of eight gold spans: 0.125 is 0.12 in the reference, and so is not 0.13.
  expect(dropScore("a1", [["a1", "b", "c", "d", "e", "f", "g", "h"]]).f1).toBe(0.12);
});

test("an annotation gives its number, else its spans, else its date as one span", () => {
  const date = { day: "", month: "", year: "" };
  expect(dropSpans({ number: "4", date, spans: [] })).toEqual(["4"]);
  expect(dropSpans({ number: "", date, spans: ["x", "y"] })).toEqual(["x", "y"]);
  expect(dropSpans({ number: "", date: { day: "3", month: "May", year: "1999" }, spans: [] })).toEqual(["3 May 1999"]);
});
