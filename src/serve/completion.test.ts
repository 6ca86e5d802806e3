import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readEvents, testApp } from "../../test/serve/testServer.js";
import type { CompletionChunk } from "./completionAnswer.js";

const path = "/v1/completions";
const bos = "<\uff5cbegin\u2581of\u2581sentence\uff5c>";
const fim = (name: string): string => `<\uff5cfim\u2581${name}\uff5c>`;

async function answer(response: Response): Promise<CompletionChunk> {
  expect(response.status).toBe(200);
  return (await response.json()) as CompletionChunk;
}

test("a prompt may be a text, texts, ids or lists of ids; choices are numbered through", async () => {
  const { post, model } = await testApp({ write: ({ prompt }, choice) => `${prompt.length}.${choice}` });
  const one = await answer(await post(path, { prompt: "abc" }));
  expect(one.object).toBe("text_completion");
  expect(one.choices).toEqual([{ index: 0, text: "4.0", logprobs: null, finish_reason: "stop" }]);
  expect(model.lastPrompt).toBe(`${bos}abc`);
  const texts = await answer(await post(path, { prompt: ["a", "bcd"], n: 2 }));
  expect(texts.choices.map(({ text }) => text)).toEqual(["2.0", "2.1", "4.0", "4.1"]);
  expect(texts.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(texts.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 12 });
  const ids = await answer(await post(path, { prompt: [65, 66] }));
  expect(ids.choices[0]?.text).toBe("2.0"); // taken as they are, without a start token
  const lists = await answer(await post(path, { prompt: [[65], [65, 66, 67]] }));
  expect(lists.choices.map(({ text }) => text)).toEqual(["1.0", "3.0"]);
});

test("suffix and /infill fill a gap, and what users write stays text", async () => {
  const { post, model } = await testApp({ write: () => "mid" });
  const whole = await answer(await post("/beta/completions", { prompt: `a${fim("end")}`, suffix: "z" }));
  expect(whole.choices[0]?.text).toBe("mid");
  expect(model.lastPrompt).toBe(`${bos}${fim("begin")}a${fim("end")}${fim("hole")}z${fim("end")}`);
  const ends = Array.from(model.requests.at(-1)!.prompt).filter((id) => id === model.tokenizer.fim!.end);
  expect(ends).toHaveLength(1);
  const body = { input_prefix: "a", input_suffix: "z", prompt: "b", input_extra: [{ filename: "x.ts", text: "X" }] };
  const filled = await post("/infill", { ...body, n_predict: 3 });
  expect(await filled.json()).toMatchObject({ content: "mid", stop: true, stop_type: "eos", tokens_predicted: 3 });
  expect(model.lastPrompt).toBe(`${bos}${fim("begin")}// x.ts\nX\nab${fim("hole")}z${fim("end")}`);
  const { data } = readEvents(await (await post("/infill", { ...body, stream: true })).text());
  expect(data.slice(0, 4).map((piece) => (piece as { content: string }).content)).toEqual(["m", "i", "d", ""]);
});

test("echo gives the prompt back with its log-probabilities, for the text alone", async () => {
  const { post, model } = await testApp({ write: () => "d" });
  const { choices } = await answer(await post(path, { prompt: "abc", echo: true, logprobs: 1, max_tokens: 1 }));
  const id = (text: string): number => model.tokenizer.encode(text)[0]!;
  const logprob = (text: string): number => -id(text) / 1000;
  expect(choices[0]).toEqual({
    index: 0,
    text: "abcd",
    finish_reason: "stop",
    logprobs: {
      tokens: ["a", "b", "c", "d"],
      token_logprobs: ["a", "b", "c", "d"].map(logprob),
      top_logprobs: ["a", "b", "c", "d"].map((text) => ({ [text]: logprob(text) })),
      text_offset: [0, 1, 2, 3],
    },
  });
  const scored = await answer(await post(path, { prompt: "abc", echo: true, logprobs: 0, max_tokens: 0 }));
  expect(scored.choices[0]).toMatchObject({ text: "abc", finish_reason: "length" });
  expect(scored.choices[0]?.logprobs?.tokens).toEqual(["a", "b", "c"]);
  expect(scored.usage?.completion_tokens).toBe(0);
  const ids = Array.from(model.tokenizer.encode("\u00e9"));
  const bytes = await answer(await post(path, { prompt: ids, echo: true, logprobs: 1, max_tokens: 1 }));
  expect(bytes.choices[0]?.text).toBe("\u00e9d");
  expect(bytes.choices[0]?.logprobs?.tokens).toEqual(["bytes:\\xc3", "bytes:\\xa9", "d"]);
  expect(bytes.choices[0]?.logprobs?.token_logprobs[0]).toBeNull(); // nothing predicts the first token
});

test("a stream of several prompts ends once, with usage if asked for", async () => {
  const { post } = await testApp({ write: ({ prompt }) => "xyz".slice(0, prompt.length - 1) });
  const body = { prompt: ["a", "bc"], stream: true, echo: true, stream_options: { include_usage: true } };
  const { data } = readEvents(await (await post(path, body)).text());
  const chunks = data.slice(0, -1) as CompletionChunk[];
  const texts = ["", ""];
  for (const { choices } of chunks) for (const { index, text } of choices) texts[index] += text;
  expect(texts).toEqual(["ax", "bcxy"]);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3 } });
  expect(data.filter((each) => each === "[DONE]")).toHaveLength(1);
});

test("what a completion cannot be is refused with the name of the field", async () => {
  const { post } = await testApp({ write: () => "a", maxPositions: 32 });
  const wrong = async (body: object, param: string | null): Promise<void> => {
    const response = await post(path, body);
    const { error } = (await response.json()) as { error: { param: string; message: string } };
    expect({ status: response.status, param: error.param }, error.message).toEqual({ status: 400, param });
  };
  await wrong({}, "prompt");
  await wrong({ prompt: [] }, "prompt");
  await wrong({ prompt: [[]] }, "prompt");
  await wrong({ prompt: [1.5] }, "prompt[0]");
  await wrong({ prompt: [-1] }, "prompt[0]");
  await wrong({ prompt: [99_999_999] }, "prompt");
  await wrong({ prompt: ["a", 1] }, "prompt[1]");
  await wrong({ prompt: { text: "a" } }, "prompt");
  await wrong({ prompt: Array(129).fill("a") }, "prompt");
  await wrong({ prompt: "a", best_of: 3 }, "best_of");
  await wrong({ prompt: "a", logprobs: 21 }, "logprobs");
  await wrong({ prompt: "a", max_tokens: 0 }, "max_tokens");
  await wrong({ prompt: "a", max_tokens: 31 }, "max_tokens");
  await wrong({ prompt: "a".repeat(40) }, "prompt");
  await wrong({ prompt: [65], suffix: "b" }, "suffix");
  await wrong({ prompt: "a", suffix: "b", echo: true }, "echo");
});

/** What lm-eval's `local-completions` and `local-chat-completions` send; its reading of the answers is repeated here. */
test("an evaluation harness scores and generates with its own shapes of requests", async () => {
  const { post } = await testApp({ write: () => "w" });
  const file = new URL("../../test/serve/fixtures/lm-eval.json", import.meta.url);
  const recorded = JSON.parse(readFileSync(file, "utf8")) as Record<string, { path: string; body: object }>;
  const send = async (name: string): Promise<Response> => {
    const { path: at, body } = recorded[name]!;
    const response = await post(at, body);
    expect(response.status, name).toBe(200);
    return response;
  };
  for (const name of ["loglikelihood_tokens", "loglikelihood_batch"]) {
    const { choices } = (await (await send(name)).json()) as CompletionChunk;
    for (const { logprobs } of choices) {
      const context = 2;
      const values = logprobs!.token_logprobs.slice(context, -1);
      const top = logprobs!.top_logprobs.slice(context, -1);
      expect(values.every((value) => typeof value === "number")).toBe(true);
      expect(values.map((value, i) => value === Math.max(...Object.values(top[i]!)))).toEqual(values.map(() => true));
    }
  }
  const batch = (await (await send("loglikelihood_batch")).json()) as CompletionChunk;
  expect(batch.choices.map(({ index }) => index)).toEqual([0, 1]);
  const text = (await (await send("generate_until")).json()) as CompletionChunk;
  expect(text.choices[0]?.text).toBe("w");
  const chat = (await (await send("chat_generate_until")).json()) as { choices: { message: { content: string } }[] };
  expect(chat.choices[0]?.message.content).toBe("w");
});
