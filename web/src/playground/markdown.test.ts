import fc from "fast-check";
import { expect, test } from "vitest";
import { type Inline, parseMarkdown } from "./markdown.js";

const text = (words: string): Inline => ({ kind: "text", text: words });

test("parseMarkdown reads paragraphs, headings, lists, code and what stands in a line", () => {
  const source =
    "# Title\nOne *two*\nthree `a*b`.\n\n- x\n  y\n- **z**\n\n3. three\n4. four\n```ts\nif (a < b) {}\n\n```\nend";
  expect(parseMarkdown(source)).toEqual([
    { kind: "heading", level: 1, children: [text("Title")] },
    {
      kind: "paragraph",
      children: [
        text("One "),
        { kind: "em", children: [text("two")] },
        text("\nthree "),
        { kind: "code", text: "a*b" },
        text("."),
      ],
    },
    { kind: "list", isOrdered: false, start: 1, items: [[text("x y")], [{ kind: "strong", children: [text("z")] }]] },
    { kind: "list", isOrdered: true, start: 3, items: [[text("three")], [text("four")]] },
    { kind: "code", language: "ts", text: "if (a < b) {}\n" },
    { kind: "paragraph", children: [text("end")] },
  ]);
});

test("markup of HTML, links and pictures stay text, and an open fence ends with the text", () => {
  const hostile = "<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](http://x/y)";
  expect(parseMarkdown(hostile)).toEqual([{ kind: "paragraph", children: [text(hostile)] }]);
  expect(parseMarkdown("```\nopen")).toEqual([{ kind: "code", language: "", text: "open" }]);
});

test("parseMarkdown answers for any text, and in linear time for runs of marks", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("*", "`", "\n", "-", "#", " ", "1", ".", "a", "~") }), (source) => {
      parseMarkdown(source);
    }),
  );
  const begin = performance.now();
  for (const mark of ["*", "**", "`", "* ", "**a", "*a ", "***a*", "- *", "#"]) parseMarkdown(mark.repeat(20_000));
  // 0.1 s here; a quadratic reading would take minutes.
  expect(performance.now() - begin).toBeLessThan(5000);
});
