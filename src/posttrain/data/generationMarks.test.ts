import { Template } from "@huggingface/jinja";
import { expect, test } from "vitest";
import { markGenerations, markVariables } from "./generationMarks.js";

const marked = (source: string): string => new Template(markGenerations(source) ?? "").render(markVariables("⟦", "⟧"));

test.each<[string, string]>([
  ["a{% generation %}b{% endgeneration %}c", "a⟦b⟧c"],
  ["a {% generation %} b {% endgeneration %} c", "a ⟦ b ⟧ c"],
  ["a\n  {% generation %}\nb\n  {% endgeneration %}\n\nc", "a\n⟦b\n⟧\nc"],
  ["a \n {%- generation -%} \n b \n {%- endgeneration -%} \n c", "a⟦b⟧c"],
  ["  {%generation%}b{%- endgeneration%}\n c", "⟦b⟧ c"],
])("marks stand where the tags of %j stood, and the engine makes the same text without them", (source, expected) => {
  expect(marked(source)).toBe(expected);
  expect(new Template(source).render({})).toBe(expected.replace(/[⟦⟧]/g, ""));
});

test("a template without marks has none", () => {
  expect(markGenerations("{{ generation }}{% if generation %}{% endif %}")).toBeNull();
});
