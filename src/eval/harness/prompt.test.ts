import { expect, test } from "vitest";
import type { Doc, TaskFile } from "../taskFile.js";
import { buildPrompt, compilePrompt, type PromptSettings, plainText, promptText } from "./prompt.js";
import { buildRequests } from "./requests.js";
import { compileTask } from "./task.js";

const file: TaskFile = {
  task: "mine",
  dataset: null,
  description: "About {{topic}}.\n\n",
  docToText: "Q: {{q}}",
  docToTarget: "a",
  docToChoice: ["zero", "one"],
  outputType: "multiple_choice",
  metadata: { version: 1 },
  format: "own",
};
const doc: Doc = { topic: "sums", q: "1 - 1", a: 0 };
const shots: Doc[] = [{ topic: "x", q: "0 + 1", a: "1" }];

const text = (task: TaskFile, settings: PromptSettings = plainText): unknown => {
  const prompt = buildPrompt(compilePrompt(task), doc, shots, settings);
  return prompt.kind === "chat" ? { messages: prompt.messages, answerStart: prompt.answerStart } : prompt.text;
};
const chat = (shotsAsTurns: boolean): PromptSettings => ({ chat: { shotsAsTurns }, systemInstruction: null });

test("description, shots and question stand in a row, delimiters between", () => {
  expect(text(file)).toBe("About sums.\n\nQ: 0 + 1 one\n\nQ: 1 - 1");
  expect(text({ ...file, fewshotDelimiter: "\n", targetDelimiter: "\nA: " })).toBe(
    "About sums.\n\nQ: 0 + 1\nA: one\nQ: 1 - 1",
  );
});

test("what the answer begins with stands behind the question, and in the shots", () => {
  expect(text({ ...file, genPrefix: "It is" })).toBe("About sums.\n\nQ: 0 + 1 It is one\n\nQ: 1 - 1 It is");
  expect(text({ ...file, genPrefix: "It is" }, chat(false))).toMatchObject({ answerStart: "It is" });
});

test("a system instruction stands before the description", () => {
  const settings = { ...plainText, systemInstruction: "Be brief." };
  expect(text(file, settings)).toBe("Be brief.\n\nAbout sums.\n\nQ: 0 + 1 one\n\nQ: 1 - 1");
  expect(text({ ...file, description: "" }, settings)).toBe("Be brief.Q: 0 + 1 one\n\nQ: 1 - 1");
});

test("in a chat all is one turn, or each shot is one", () => {
  const system = { role: "system", content: "About sums.\n\n" };
  expect(text(file, chat(false))).toEqual({
    messages: [system, { role: "user", content: "Q: 0 + 1 one\n\nQ: 1 - 1" }],
    answerStart: "",
  });
  expect(text(file, chat(true))).toEqual({
    messages: [
      system,
      { role: "user", content: "Q: 0 + 1" },
      { role: "assistant", content: "one" },
      { role: "user", content: "Q: 1 - 1" },
    ],
    answerStart: "",
  });
});

test("in a chat no delimiter stands before a choice", () => {
  const requests = (settings: PromptSettings) =>
    buildRequests(compileTask(file), 0, doc, [], settings, 0).requests.map(
      (request) => request.kind === "loglikelihood" && request.continuation,
    );
  expect(requests(plainText)).toEqual([" zero", " one"]);
  expect(requests(chat(false))).toEqual(["zero", "one"]);
});

/** As WinoGrande: the contexts differ, what follows is the same. */
const contexts: TaskFile = {
  ...file,
  description: "",
  docToText: (row) => Number(row.a),
  docToChoice: (row) => [`${row.q} zero`, `${row.q} one`],
  docToTarget: () => "is right.",
};

test("where choices are contexts, each is asked with the same continuation, and a shot has the right one", () => {
  const { requests, gold } = buildRequests(compileTask(contexts), 0, doc, shots, plainText, 0);
  expect(gold).toEqual([0]);
  expect(
    requests.map((request) => request.kind === "loglikelihood" && [promptText(request.prompt), request.continuation]),
  ).toEqual([
    ["0 + 1 one is right.\n\n1 - 1 zero", " is right."],
    ["0 + 1 one is right.\n\n1 - 1 one", " is right."],
  ]);
});

test("mutual information asks for each choice without the question too", () => {
  const task = compileTask({ ...file, metricList: [{ metric: "acc_mutual_info" }] });
  const { requests } = buildRequests(task, 0, doc, [], plainText, 0);
  expect(
    requests.map((request) => request.kind === "loglikelihood" && [promptText(request.prompt), request.continuation]),
  ).toEqual([
    ["About sums.\n\nQ: 1 - 1", " zero"],
    ["About sums.\n\nQ: 1 - 1", " one"],
    ["", " zero"],
    ["", " one"],
  ]);
});

test("repeats are asked for one by one, each with a seed of its own", () => {
  const { docToChoice: _, ...rest } = file;
  const task = compileTask({
    ...rest,
    docToTarget: () => "x",
    outputType: "generate_until",
    repeats: 3,
    generationKwargs: { temperature: 0.7, until: ["\n"] },
  });
  const ask = (docId: number, seed: number) =>
    buildRequests(task, docId, doc, [], plainText, seed).requests.flatMap((request) =>
      request.kind === "generate" ? [request] : [],
    );
  const seeds = [...ask(0, 1), ...ask(1, 1), ...ask(0, 2)].map(({ seed }) => seed);
  expect(new Set(seeds).size).toBe(9);
  expect(ask(0, 1)).toEqual(ask(0, 1));
  expect(ask(0, 1)[2]).toMatchObject({ repeat: 2, settings: { temperature: 0.7, until: ["\n"], maxGenToks: 256 } });
});

test("what does not go together is refused by name", () => {
  const generating: TaskFile = { ...file, outputType: "generate_until" };
  const refuse = (task: TaskFile, message: string): void =>
    expect(() => compileTask(task)).toThrow(`task mine: ${message}`);
  const { docToChoice: _, ...rest } = file;
  refuse(rest, "output_type multiple_choice needs doc_to_choice");
  refuse({ ...file, scorer: () => ({ metrics: {} }) }, "a scorer sees texts");
  refuse({ ...generating, repeats: 2 }, "2 repeats of the likeliest answer are all the same");
  refuse({ ...generating, metricList: [{ metric: "pass@5" }] }, "pass@5 needs as many repeats, got 1");
  refuse({ ...generating, generationKwargs: { until: [""] } }, "until has an empty text");
  refuse({ ...generating, generationKwargs: { maxGenToks: 0 } }, "max_gen_toks must be a whole number from 1, got 0");
  refuse({ ...generating, generationKwargs: { temperature: -1, doSample: true } }, "temperature must be from 0 to 100");
});

test("sampling is greedy unless it is asked for; do_sample alone means a temperature of 1", () => {
  const temperature = (generationKwargs: NonNullable<TaskFile["generationKwargs"]>): number =>
    compileTask({ ...file, outputType: "generate_until", generationKwargs }).generation.temperature;
  expect([temperature({}), temperature({ doSample: true }), temperature({ temperature: 0.3 })]).toEqual([0, 1, 0.3]);
  expect(temperature({ doSample: false, temperature: 0.3 })).toBe(0);
});
