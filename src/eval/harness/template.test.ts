import { expect, test } from "vitest";
import { compileTemplate } from "./template.js";

const render = (source: string, variables: Record<string, unknown> = {}): string =>
  compileTemplate(source).render(variables);

test("what task files use of Jinja renders as there", () => {
  const doc = { question: " Why? ", choices: { text: ["red", "blue"], label: ["A", "B"] }, answerKey: "B", n: 3 };
  expect(render("{{question.strip()}}\nA. {{choices.text[0]}}\nAnswer:", doc)).toBe("Why?\nA. red\nAnswer:");
  expect(render("{{ question | trim }} {{ choices['text'] | join(', ') }}", doc)).toBe("Why? red, blue");
  expect(render("{% for t in choices.text %}{{ loop.index }}. {{ t }}\n{% endfor %}", doc)).toBe("1. red\n2. blue\n");
  expect(render("{% if n > 2 %}many{% else %}few{% endif %}", doc)).toBe("many");
  expect(render("{{ choices.text[-1] }}{{ question[1:4] }}{{ 'a' + 'b' }}", doc)).toBe("blueWhyab");
  expect(render("{{ 'x-y' | replace('-', '+') | upper }} {{ choices.text | length }} {{ n | string }}", doc)).toBe(
    "X+Y 2 3",
  );
});

test("white space is kept: no block is trimmed, and the last line end stays", () => {
  expect(render("a\n  {% if true %}\nb{% endif %}\n")).toBe("a\n  \nb\n");
  expect(render("plain\n")).toBe("plain\n");
});

test("what is missing is an error that names it", () => {
  expect(() => render("{{ qestion }}", { question: "" })).toThrow('template "{{ qestion }}": qestion is not defined');
  expect(() => render("{{ row.b }}", { row: { a: 1 } })).toThrow('"b" is not there');
  expect(() => render("{{ list[2] }}", { list: [1, 2] })).toThrow("the element asked for is not there");
  expect(() => render("{% if a %}x{% endif %}")).toThrow("a is not defined");
  expect(() => render("{{ a")).toThrow('template "{{ a": ');
});

test("`is defined` and `default` may ask about what is missing", () => {
  expect(render("{% if a is defined %}{{ a }}{% else %}none{% endif %}")).toBe("none");
  expect(render("{{ a | default('b') }}")).toBe("b");
  expect(render("{{ row.x | default('b') }}", { row: {} })).toBe("b");
});

test("a template that is one expression gives its value", () => {
  const doc = { choices: { text: ["red", "blue"], label: ["1", "2"] }, key: "2", row: { a: [true, null, 1.5] } };
  expect(compileTemplate("{{choices.text}}").evaluate(doc)).toEqual(["red", "blue"]);
  expect(compileTemplate("{{choices.label.index(key)}}").evaluate(doc)).toBe(1);
  expect(compileTemplate("{{row}}").evaluate(doc)).toEqual({ a: [true, null, 1.5] });
  expect(compileTemplate("{{key}}!").evaluate(doc)).toBe("2!");
  expect(() => compileTemplate("{{choices.label.index('3')}}").evaluate(doc)).toThrow('"3" is not in the list');
});

test("a column may have the name of a constant", () => {
  expect(render("{{ range }} {{ none }}", { range: "far", none: 1 })).toBe("far 1");
});
