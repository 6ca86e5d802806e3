import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { defaultEndpoint, EndpointExpert, type EndpointOptions } from "./endpointExpert.js";
import type { Answered, Question } from "./expert.js";

interface Seen {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  readonly at: number;
}

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A server that gives the n-th request the n-th answer, and the last one to all after it. */
async function serve(
  answers: readonly { readonly status?: number; readonly body?: unknown; readonly retryAfter?: string }[],
  options: Partial<EndpointOptions> = {},
): Promise<{ readonly seen: Seen[]; readonly expert: EndpointExpert; readonly url: string }> {
  const seen: Seen[] = [];
  const made = createServer((request, response) => {
    let text = "";
    request.on("data", (piece: Buffer) => {
      text += piece.toString();
    });
    request.on("end", () => {
      const { status = 200, body, retryAfter } = answers[Math.min(seen.length, answers.length - 1)] ?? {};
      const { url, headers } = request;
      const parsed = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
      seen.push({ url, headers, body: parsed, at: performance.now() });
      if (body === undefined && status === 200) return; // Never answers.
      response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
  const given = { ...defaultEndpoint, url, model: "teacher", apiKey: null, firstWaitMs: 1, ...options };
  return { seen, expert: await EndpointExpert.open(given, never), url };
}

const question: Question = {
  name: "prompt a, sample 0",
  messages: [{ role: "user", content: "1+1?" }],
  temperature: 0.7,
  topP: 0.9,
  maxTokens: 50,
  seed: 5,
};
const never = new AbortController().signal;
const message = (fields: object, reason: string | null = "stop"): object => ({
  choices: [{ message: { role: "assistant", ...fields }, finish_reason: reason }],
  usage: { completion_tokens: 3 },
});
const good = { body: message({ content: "2" }) };
const answer: Answered = { completion: "2", finish_reason: "stop", token_count: 3 };

test("asks as OpenAI's protocol has it", async () => {
  const { expert, seen } = await serve([good], { apiKey: "secret" });
  expect(await expert.ask(question, never)).toEqual(answer);
  expect(seen[0]?.url).toBe("/v1/chat/completions");
  expect(seen[0]?.headers.authorization).toBe("Bearer secret");
  expect(seen[0]?.body).toEqual({
    model: "teacher",
    messages: question.messages,
    temperature: 0.7,
    top_p: 0.9,
    max_tokens: 50,
    seed: 5,
  });
});

test("a thought that is given apart is put between its tags; one without its opening tag gets it", async () => {
  const { expert } = await serve([
    { body: message({ content: "\n2", reasoning_content: "\nhm\n" }) },
    { body: message({ content: "2", reasoning: "hm" }, "length") },
    { body: message({ content: "hm\n</think>\n2" }) },
    { body: message({ content: "<think>hm</think>2", reasoning_content: "" }) },
  ]);
  const texts: unknown[] = [];
  for (let i = 0; i < 4; i++) texts.push((await expert.ask(question, never)).completion);
  expect(texts).toEqual([
    "<think>\nhm\n</think>\n\n2",
    "<think>\nhm\n</think>\n\n2",
    "<think>\nhm\n</think>\n2",
    "<think>hm</think>2",
  ]);
});

test("what fails for a while is asked again", async () => {
  const { expert, seen } = await serve([{ status: 503, body: "busy" }, { status: 429, body: "slowly" }, good]);
  expect(await expert.ask(question, never)).toEqual(answer);
  expect(seen.length).toBe(3);
});

test("waits are doubled, and as long as the server says where it does", async () => {
  const { expert, seen } = await serve([{ status: 500, body: "" }, { status: 500, body: "" }, good], {
    firstWaitMs: 40,
  });
  await expert.ask(question, never);
  const [first = 0, second = 0, third = 0] = seen.map(({ at }) => at);
  // Timers are never early by more than a millisecond.
  expect(second - first).toBeGreaterThan(38);
  expect(third - second).toBeGreaterThan(78);
  const other = await serve([{ status: 429, body: "", retryAfter: "0.05" }, good], { firstWaitMs: 60_000 });
  await other.expert.ask(question, never);
  expect((other.seen[1]?.at ?? 0) - (other.seen[0]?.at ?? 0)).toBeGreaterThan(48);
});

test("a server that goes on failing, or is not there, ends it after so many times", async () => {
  const { expert, seen, url } = await serve([{ status: 502, body: "no backend" }], { retries: 2 });
  await expect(expert.ask(question, never)).rejects.toThrow(
    `prompt a, sample 0: ${url}/v1/chat/completions: HTTP 502: no backend, 3 times`,
  );
  expect(seen.length).toBe(3);
  const nowhere = { url: "http://127.0.0.1:9/v1/", model: "m", apiKey: null, retries: 1, firstWaitMs: 1 };
  const gone = await EndpointExpert.open({ ...defaultEndpoint, ...nowhere }, never);
  await expect(gone.ask(question, never)).rejects.toThrow(
    /127\.0\.0\.1:9\/v1\/chat\/completions: .*ECONNREFUSED.*, 2 times/,
  );
});

test("what cannot succeed is an error at once", async () => {
  const { expert, seen } = await serve([{ status: 401, body: "who are you" }]);
  await expect(expert.ask(question, never)).rejects.toThrow(/HTTP 401: who are you$/);
  expect(seen.length).toBe(1);
});

test("a server that does not answer is given up after its time, and at once by a signal", async () => {
  const { expert } = await serve([{}], { timeoutMs: 30, retries: 0 });
  await expect(expert.ask(question, never)).rejects.toThrow(/no answer within 0\.03 s$/);
  const stop = new AbortController();
  const slow = await serve([{}]);
  const asking = slow.expert.ask(question, stop.signal);
  setTimeout(() => stop.abort(new RangeError("enough")), 10);
  await expect(asking).rejects.toThrow("enough");
});

test.each([
  ["no JSON", "<html>", /expected a JSON object, got "<html>"/],
  ["no message", { choices: [] }, /expected choices\[0\]\.message/],
  [
    "a filtered answer",
    message({ content: "" }, "content_filter"),
    /finish_reason stop or length, got "content_filter"/,
  ],
  ["no count", { ...message({ content: "2" }), usage: null }, /no usage\.completion_tokens/],
])("an answer with %s is an error that says so", async (_, body, expected) => {
  const { expert } = await serve([{ body }]);
  await expect(expert.ask(question, never)).rejects.toThrow(expected);
});

test("the only model of a server need not be named; one of several has to be", async () => {
  const { expert, seen } = await serve([{ body: { data: [{ id: "alone" }] } }, good], { model: null });
  expect(expert.name).toBe("alone");
  expect(seen[0]?.url).toBe("/v1/models");
  await expert.ask(question, never);
  expect(seen[1]?.body.model).toBe("alone");
  await expect(serve([{ body: { data: [{ id: "a" }, { id: "b" }] } }], { model: null })).rejects.toThrow(
    /the server has 2 models \(a, b\); name one with --endpoint-model/,
  );
});

test("what is no address is refused", async () => {
  const options = { ...defaultEndpoint, model: "m", apiKey: null };
  await expect(EndpointExpert.open({ ...options, url: "localhost:8000" }, never)).rejects.toThrow(
    /expected http:\/\/HOST/,
  );
});
