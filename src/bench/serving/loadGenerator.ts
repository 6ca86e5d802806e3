/**
 * Sends the requests of a plan to a server that speaks OpenAI's /v1/completions, and writes down how each went. Closed loops ask again when
 * they are answered; open loops keep to the plan's times, so a server that is too slow for the rate meets a queue that grows.
 */
import { setMaxListeners } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { completionBody, type LoadTarget, type RequestRecord, sendCompletion } from "./completionRequest.js";
import { arrivalsMs, checkPlan, type LoadPlan, plannedRequest } from "./loadPlan.js";

/**
 * @param stop ends what runs; records of requests that it ended have failure "stopped"
 * @returns a record for each request, in the order in which they were sent
 * @throws RangeError for a plan that does not fit together
 */
export async function generateLoad(target: LoadTarget, plan: LoadPlan, stop: AbortSignal): Promise<RequestRecord[]> {
  checkPlan(plan);
  setMaxListeners(0, stop); // each running request listens
  const agent = newAgent(target.url);
  const sent: Promise<RequestRecord>[] = [];
  const send = (index: number): Promise<RequestRecord> => {
    const { body, promptTokens } = prepared(plan, index, target);
    return sendCompletion(target, agent, body, promptTokens, stop);
  };
  try {
    if (plan.arrival.kind === "closed") {
      const { clients } = plan.arrival;
      const requests = plan.requests ?? Number.POSITIVE_INFINITY;
      const client = async (): Promise<void> => {
        while (sent.length < requests && !stop.aborted) {
          const answer = send(sent.length);
          sent.push(answer);
          const { status, failure } = await answer;
          // Who is refused at once must not ask again at once, or the client takes the machine from the server.
          if (failure !== null || status !== 200) await pause(refusedPauseMs, stop);
        }
      };
      await Promise.all(Array.from({ length: Math.min(clients, requests) }, client));
    } else {
      const times = arrivalsMs(plan.arrival.requestsPerSecond, plan.requests ?? 0, plan.seed);
      const begun = performance.now();
      for (const [index, at] of times.entries()) {
        const { body, promptTokens } = prepared(plan, index, target); // before its time comes
        await pause(begun + at - performance.now(), stop);
        if (stop.aborted) break;
        sent.push(sendCompletion(target, agent, body, promptTokens, stop));
      }
    }
    return await Promise.all(sent);
  } finally {
    agent.destroy();
  }
}

const refusedPauseMs = 10;

/** How long /health took, at a time of the thread's clock. */
export interface HealthLook {
  readonly atMs: number;
  readonly elapsedMs: number;
  /** 0 if no answer came. */
  readonly status: number;
}

/** Asks for /health, one after the other, until it is stopped. @param everyMs least time from one look to the next */
export async function watchHealth(
  { url }: Pick<LoadTarget, "url">,
  everyMs: number,
  stop: AbortSignal,
): Promise<HealthLook[]> {
  const agent = newAgent(url);
  const looks: HealthLook[] = [];
  while (!stop.aborted) {
    const atMs = performance.now();
    const status = await healthStatus(url, agent);
    const elapsedMs = performance.now() - atMs;
    looks.push({ atMs, elapsedMs, status });
    await pause(everyMs - elapsedMs, stop);
  }
  agent.destroy();
  return looks;
}

function healthStatus(url: string, agent: Agent): Promise<number> {
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const request = send(`${url}/health`, { agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", () => resolve(0));
    });
    request.on("error", () => resolve(0));
    request.end();
  });
}

function prepared(plan: LoadPlan, index: number, { model }: LoadTarget): { body: Buffer; promptTokens: number } {
  const planned = plannedRequest(plan, index);
  return { body: completionBody(planned, model), promptTokens: planned.prompt.length };
}

function newAgent(url: string): Agent {
  const options = { keepAlive: true, maxFreeSockets: 65_536 };
  return url.startsWith("https:") ? new HttpsAgent(options) : new Agent(options);
}

/** Waits, less if it is stopped. Timers drop parts of a millisecond, so it is rounded up. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  if (ms > 0 && !stop.aborted) await sleep(Math.ceil(ms), undefined, { signal: stop }).catch(() => {});
}
