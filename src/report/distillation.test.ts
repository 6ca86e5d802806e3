import { expect, test } from "vitest";
import { type DistillationPage, type DomainFigures, renderDistillation } from "./distillation.js";

const lengths = { min: 1, median: 2, mean: 2.25, p90: 4, max: 5 };
const math: DomainFigures = {
  domain: "math",
  prompts: 1234,
  answers: 4936,
  passRate: 0.5,
  passRates: [100, 0, 0, 0, 0, 100],
  keptPrompts: 100,
  keptRecords: 150,
  droppedPrompts: { "pass rate 0": 100 },
  droppedAnswers: { wrong: 2000, cut: 3 },
  before: lengths,
  after: { ...lengths, mean: 1.5 },
};
const logic: DomainFigures = {
  ...math,
  domain: "logic",
  passRate: 0.8,
  passRates: [0, 0, 0, 0, 50, 0],
  keptRecords: 50,
};
const input: DistillationPage = {
  title: "A <b>title</b>",
  facts: [["prompts", "1,234 math & more"]],
  droppedPrompts: { duplicate: 7 },
  droppedSamples: [{ reason: "contaminated", prompt: "What <i>is</i> it?", because: '"what is it" is in a test' }],
  domains: [math, logic],
  samples: [
    { reason: null, prompt: "1+1?", answer: "<think>hm</think>2", facts: "p1, 3 tokens" },
    { reason: "wrong", prompt: "1+2?", answer: "4", facts: "p2, m, 1 tokens" },
  ],
};

test("shows the figures of each domain, and those of all at the top", () => {
  const page = renderDistillation(input);
  expect(page).toContain(
    '<th scope="row">math</th><td>1,234</td><td>4,936</td><td>50.0 %</td><td>100</td><td>150</td>',
  );
  expect(page).toContain('<th scope="row">math</th><td>100</td><td>0</td><td>0</td><td>0</td><td>0</td><td>100</td>');
  expect(page).toContain('<th scope="row">math, kept</th><td>1</td><td>2</td><td>1.5</td><td>4</td><td>5</td>');
  expect(page).toContain("<h3>Answers left out: math</h3>");
  expect(page).toContain('<th scope="row">wrong</th><td>2,000</td>');
  expect(page).toContain("<dt>records kept</dt><dd>200</dd>");
  // 200 prompts at a half and 50 at 0.8.
  expect(page).toContain("<dt>mean pass rate</dt><dd>56.0 %</dd>");
});

test("texts stay texts: what a model wrote makes no markup, and nothing is loaded", () => {
  const page = renderDistillation(input);
  expect(page).toContain("A &lt;b&gt;title&lt;/b&gt;");
  expect(page).toContain("&lt;think&gt;hm&lt;/think&gt;2");
  expect(page).toContain("What &lt;i&gt;is&lt;/i&gt; it?");
  expect(page).toContain("contaminated: &quot;what is it&quot; is in a test");
  expect(page).not.toMatch(/<script|<i>|src=|https?:/);
});

test("what is not there yet has no heading", () => {
  const page = renderDistillation({ ...input, domains: [], samples: [], droppedSamples: [], droppedPrompts: {} });
  expect(page).not.toMatch(/<h2>|<h3>|NaN|undefined/);
  expect(
    renderDistillation({ ...input, domains: [{ ...math, passRate: null, passRates: [0, 0, 0, 0, 0, 0] }] }),
  ).toContain("<td>not scored</td>");
});
