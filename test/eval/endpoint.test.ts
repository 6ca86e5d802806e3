/** The same model by our own server and by the engine: an endpoint's answers are those of the model behind it. */
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EndpointModel, openEndpoint } from "../../src/eval/harness/endpointModel.js";
import { EngineModel } from "../../src/eval/harness/engineModel.js";
import type { EvalModel, EvalRequest, EvalResponse } from "../../src/eval/harness/evalModel.js";
import { modelInThread } from "../../src/generate/loadModel.js";
import { FathomServer } from "../../src/serve/server.js";
import { defaultSettings } from "../../src/serve/settings.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { smallConfig, smallModel } from "../invariance/models.js";
import { anyModel } from "../serve/testServer.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const model = smallModel(smallConfig({ vocab_size: tokenizer.vocabSize, max_position_embeddings: 320 }));
const opened = (): ReturnType<typeof modelInThread> =>
  modelInThread(model, tokenizer, { maxBatch: 8, cacheTokens: 4096, speculation: 0 });

let server: FathomServer;
let endpoint: EndpointModel;
beforeAll(async () => {
  server = await FathomServer.start({
    settings: { ...defaultSettings, port: 0, reloadMs: 0 },
    models: [{ id: "small", path: anyModel }],
    open: async () => opened(),
    log: pino({ level: "silent" }),
    version: "0.0.0",
  });
  endpoint = await openEndpoint({ url: server.url, model: null, apiKey: null, atOnce: 4 });
});
afterAll(async () => {
  await server.drain();
  model.free();
});

async function answers(from: EvalModel, requests: readonly EvalRequest[]): Promise<EvalResponse[]> {
  const responses: EvalResponse[] = [];
  await from.answer(
    requests,
    (index, response) => {
      responses[index] = response;
    },
    new AbortController().signal,
  );
  return responses;
}

const text = (content: string) => ({ kind: "text", text: content, suffix: null }) as const;
const settings = { until: ["#"], maxGenToks: 12, temperature: 0, topP: 1, topK: 0 };

test("log-likelihoods and texts of an endpoint are those of the model it serves", async () => {
  const requests: EvalRequest[] = [
    { kind: "loglikelihood", prompt: text("Question: why?\nAnswer:"), continuation: " because" },
    { kind: "loglikelihood", prompt: text("Wer läuft? "), continuation: "Ein Köter 🐕" },
    { kind: "loglikelihood", prompt: text(""), continuation: " all" },
    { kind: "rolling", text: "a whole document\n" },
    { kind: "generate", prompt: text("one two"), settings, seed: 0, repeat: 0 },
    {
      kind: "generate",
      prompt: { kind: "chat", messages: [{ role: "user", content: "hi" }], answerStart: "" },
      settings,
      seed: 0,
      repeat: 0,
    },
  ];
  const engine = new EngineModel(opened(), "small", "small");
  const expected = await answers(engine, requests);
  const found = await answers(endpoint, requests);
  await engine.close();
  for (const [i, response] of expected.entries()) {
    const other = found[i];
    if (response.kind === "generate") {
      const { text, isTruncated, promptTokens, completionTokens } = response;
      expect(other).toMatchObject({ text, isTruncated, promptTokens, completionTokens });
    } else expect({ ...other, cutTokens: 0 }).toEqual({ ...response, cutTokens: 0 });
  }
  expect(endpoint.name).toBe("small");
});

test("what the server refuses ends the evaluation with the server's reason", async () => {
  const long = "word ".repeat(100);
  await expect(answers(endpoint, [{ kind: "rolling", text: long }])).rejects.toThrow(/completions: HTTP 400: .*320/);
});

test("a chat's continuation cannot be scored there", async () => {
  const prompt = { kind: "chat", messages: [{ role: "user", content: "hi" }], answerStart: "" } as const;
  await expect(answers(endpoint, [{ kind: "loglikelihood", prompt, continuation: "a" }])).rejects.toThrow(
    "an endpoint scores continuations of plain text alone",
  );
});
