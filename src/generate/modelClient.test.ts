import { expect, test } from "vitest";
import { byteTokenizer } from "../../test/serve/scriptedModel.js";
import { loadPreset } from "../model/presets.js";
import type { EngineCall } from "./engineProtocol.js";
import { type EngineLink, ModelClient } from "./modelClient.js";
import type { GenerationEvent, GenerationRequest } from "./request.js";

/** The other end of the link: takes down what is sent, and the test answers. */
class Engine implements EngineLink {
  readonly calls: EngineCall[] = [];
  readonly client: ModelClient;
  isKept = false;
  isEnded = false;

  constructor() {
    const tokenizer = byteTokenizer();
    const config = { ...loadPreset("tiny"), vocabSize: tokenizer.vocabSize };
    const info = { directory: "models/m", adapter: null, weights: "float32", cache: "float32", maxPositions: 100 };
    this.client = new ModelClient(config, info, tokenizer, this);
  }

  send(call: EngineCall): void {
    structuredClone(call); // as it crosses to a thread
    this.calls.push(call);
  }

  keepAlive(isNeeded: boolean): void {
    this.isKept = isNeeded;
  }

  async end(): Promise<void> {
    this.isEnded = true;
  }

  get types(): string[] {
    return this.calls.map(({ type }) => type);
  }

  tell(id: number, ...events: GenerationEvent[]): void {
    this.client.receive({ type: "events", events: events.map((event) => [id, event] as const) });
  }
}

const prompt: GenerationEvent = {
  type: "prompt",
  text: "",
  promptTokens: 1,
  cachedTokens: 0,
  queuedMs: 0,
  promptMs: 0,
  logprobs: null,
};
const token = (choice = 0): GenerationEvent => {
  return { type: "token", choice, id: 5, text: "x", logprobs: null, trace: null };
};
const finish = (choice = 0, reason: "stop" | "abort" | "error" = "stop"): GenerationEvent => {
  return {
    type: "finish",
    choice,
    text: "",
    reason,
    stoppedBy: null,
    stopLogprob: null,
    stopExperts: null,
    completionTokens: 1,
    error: null,
  };
};

async function read(stream: AsyncIterable<GenerationEvent>, into: GenerationEvent[] = []): Promise<GenerationEvent[]> {
  for await (const event of stream) into.push(event);
  return into;
}

/** Starts to read, so that the request is on its way. */
function ask(engine: Engine, request: Partial<GenerationRequest> = {}, signal?: AbortSignal) {
  const got: GenerationEvent[] = [];
  const done = read(engine.client.stream({ prompt: [1], ...request }, signal), got);
  done.catch(() => {});
  return { got, done };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a stream ends when its last choice has, and an idle engine keeps nothing alive", async () => {
  const engine = new Engine();
  const { done } = ask(engine, { n: 2 });
  expect(engine.calls).toMatchObject([{ type: "add", id: 0, request: { n: 2 } }]);
  expect(engine.isKept).toBe(true);
  engine.tell(0, prompt, token(), finish());
  await turn();
  expect(engine.isKept).toBe(true);
  engine.tell(0, token(1), finish(1), token(1));
  expect((await done).map(({ type }) => type)).toEqual(["prompt", "token", "finish", "token", "finish"]);
  expect(engine.isKept).toBe(false);
  expect(engine.types).toEqual(["add"]);
});

test("what is out of range is refused before anything is sent", async () => {
  const engine = new Engine();
  await expect(ask(engine, { n: 0 }).done).rejects.toThrow("n must be");
  await expect(ask(engine, { prompt: [] }).done).rejects.toBeInstanceOf(RangeError);
  expect(engine.calls).toEqual([]);
});

test("what cannot be sent fails, and leaves nothing that is waited for", async () => {
  const engine = new Engine();
  const schema = { type: "object", default: () => 1 } as never;
  await expect(ask(engine, { grammar: { kind: "json_schema", schema } }).done).rejects.toThrow("could not be cloned");
  expect(engine.isKept).toBe(false);
});

test("what the engine refuses is thrown as what it was", async () => {
  const engine = new Engine();
  const { done } = ask(engine);
  engine.client.receive({ type: "refused", id: 0, error: { message: "pattern: no", isRangeError: true } });
  await expect(done).rejects.toThrow(new RangeError("pattern: no"));
  expect(engine.isKept).toBe(false);
});

test("a request aborted before its start is sent and aborted at once", async () => {
  const engine = new Engine();
  const { done } = ask(engine, {}, AbortSignal.abort());
  expect(engine.types).toEqual(["add", "abort"]);
  engine.tell(0, finish(0, "abort"));
  expect(await done).toMatchObject([{ type: "finish", reason: "abort" }]);
});

test("a signal aborts once, and after the end nothing", async () => {
  const engine = new Engine();
  const controller = new AbortController();
  const { done } = ask(engine, {}, controller.signal);
  engine.tell(0, prompt, token(), finish());
  await done;
  controller.abort();
  expect(engine.types).toEqual(["add"]);
  const later = new AbortController();
  const second = ask(engine, {}, later.signal);
  later.abort();
  expect(engine.calls.slice(1)).toMatchObject([
    { type: "add", id: 1 },
    { type: "abort", id: 1 },
  ]);
  engine.tell(1, finish(0, "abort"));
  await second.done;
});

test("leaving the loop aborts, and what still comes is dropped", async () => {
  const engine = new Engine();
  const leaving = (async () => {
    for await (const event of engine.client.stream({ prompt: [1] })) if (event.type === "token") break;
  })();
  engine.tell(0, prompt, token());
  await leaving;
  expect(engine.types).toEqual(["add", "abort"]);
  expect(engine.isKept).toBe(false);
  engine.tell(0, token(), finish(0, "abort"));
});

test("an engine that fails fails everything, after what it had told", async () => {
  const engine = new Engine();
  const { got, done } = ask(engine);
  const stats = engine.client.stats();
  engine.tell(0, prompt, token());
  engine.client.fail(new Error("the engine ended with code 1"));
  engine.client.fail(new Error("a second time"));
  await expect(stats).rejects.toThrow("the engine ended with code 1");
  await expect(done).rejects.toThrow("the engine ended with code 1");
  expect(got.map(({ type }) => type)).toEqual(["prompt", "token"]);
  await expect(ask(engine).done).rejects.toThrow("the engine ended with code 1");
  await expect(engine.client.stats()).rejects.toThrow("the engine ended with code 1");
  await engine.client.close(); // waits for nobody
  expect(engine.types).toEqual(["add", "stats"]);
  expect(engine.isEnded).toBe(true);
});

test("a model that is damaged says so, answers nothing more, and can still be asked how it is and be closed", async () => {
  const engine = new Engine();
  const { done } = ask(engine);
  expect(engine.client.damage).toBeNull();
  engine.client.receive({ type: "damaged", damage: "model.safetensors: cut short" });
  engine.tell(0, finish(0, "error"));
  expect(await done).toMatchObject([{ type: "finish", reason: "error" }]);
  expect(engine.client.damage).toBe("model.safetensors: cut short");
  await expect(ask(engine).done).rejects.toThrow("model.safetensors: cut short");
  void engine.client.stats();
  void engine.client.close();
  expect(engine.types).toEqual(["add", "stats", "close"]);
});

test("closing ends what runs with reason abort, waits for the engine, and refuses what comes after", async () => {
  const engine = new Engine();
  const { done } = ask(engine);
  const closing = engine.client.close();
  const again = engine.client.close();
  expect(engine.types).toEqual(["add", "close"]);
  await expect(ask(engine).done).rejects.toThrow("models/m: the model is closed");
  await turn();
  expect(engine.isEnded).toBe(false);
  engine.tell(0, finish(0, "abort"));
  engine.client.receive({ type: "closed" });
  await Promise.all([closing, again]);
  expect(await done).toMatchObject([{ type: "finish", reason: "abort" }]);
  expect(engine.isEnded).toBe(true);
});

test("an engine that dies while it is closed does not hold up who closes it", async () => {
  const engine = new Engine();
  const { done } = ask(engine);
  const closing = engine.client.close();
  engine.client.fail(new Error("the engine ended with code 9"));
  await closing;
  await expect(done).rejects.toThrow("code 9");
});

test("stats come back to who asked, in any order", async () => {
  const engine = new Engine();
  const [one, other] = [engine.client.stats(), engine.client.stats()];
  const stats = (steps: number) => ({ steps }) as never;
  engine.client.receive({ type: "stats", id: 1, stats: stats(2) });
  engine.client.receive({ type: "stats", id: 0, stats: stats(1) });
  expect([(await one).steps, (await other).steps]).toEqual([1, 2]);
  expect(engine.isKept).toBe(false);
});

test("a reader that is slow gets everything", async () => {
  const engine = new Engine();
  const got: string[] = [];
  const slow = (async () => {
    for await (const event of engine.client.stream({ prompt: [1] })) {
      got.push(event.type);
      await turn();
    }
  })();
  engine.tell(0, prompt);
  for (let i = 0; i < 50; i++) engine.tell(0, token());
  engine.tell(0, finish());
  await slow;
  expect(got.length).toBe(52);
});
