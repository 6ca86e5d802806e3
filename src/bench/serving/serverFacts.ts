/** What a server says of itself, which decides how long prompts may be and what they are made of. */
import { isObject } from "../../files/json.js";
import type { LoadTarget } from "./completionRequest.js";
import type { Span } from "./loadPlan.js";

export interface ServerFacts {
  /** Name of its first model. */
  readonly model: string;
  /** Positions of a request; null: it does not say. */
  readonly maxPositions: number | null;
  /** Requests that it takes at once, running or waiting; null: it does not say. */
  readonly maxInFlight: number | null;
  /** How it keeps the weights; null: it does not say. */
  readonly weights: string | null;
  /** Ids to make prompts of: few enough that every vocabulary has them, past those that begin and end texts. */
  readonly ids: Span;
}

const mostIds = 1024;
const controlIds = 16;

/**
 * Asks /v1/models, and /props, which servers of other programs need not have.
 * @throws RangeError for a server that does not answer or has no model
 */
export async function askServer({ url, apiKey }: Pick<LoadTarget, "url" | "apiKey">): Promise<ServerFacts> {
  const headers = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  const ask = async (path: string): Promise<{ status: number; body: unknown }> => {
    try {
      const response = await fetch(`${url}${path}`, { headers });
      const text = await response.text();
      return { status: response.status, body: parsed(text) };
    } catch (error) {
      const { cause } = error as Error;
      throw new RangeError(`bench serve: ${url} does not answer: ${cause instanceof Error ? cause.message : error}`);
    }
  };
  const { status, body } = await ask("/v1/models");
  const [model] = listOf(isObject(body) ? body.data : null);
  if (status !== 200 || typeof model?.id !== "string") {
    throw new RangeError(`bench serve: ${url}/v1/models names no model (status ${status})`);
  }
  const { body: told } = await ask("/props");
  const props = isObject(told) ? told : {};
  const [served] = listOf(props.models);
  const vocabSize = whole(served?.vocab_size) ?? mostIds;
  return {
    model: model.id,
    maxPositions: whole(model.max_model_len),
    maxInFlight: whole(props.max_in_flight),
    weights: typeof served?.weights === "string" ? served.weights : null,
    ids: { least: Math.min(controlIds, vocabSize - 1), most: Math.min(mostIds, vocabSize) - 1 },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function whole(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null;
}
