/** The two ways in which a completion leaves: as a stream of its chunks, or joined to one JSON object. */
import type { Context } from "hono";
import { ApiError, clientClosed } from "./apiError.js";
import { eventStream } from "./eventStream.js";
import type { RunningRequest } from "./runningRequest.js";
import type { ServerContext } from "./serverContext.js";

/**
 * Ends `running` when the answer is over; if this throws, that is left to the caller.
 * @param join makes the whole answer of the chunks; null streams them
 * @param ignored fields of the request that meant nothing here
 */
export async function respond<Chunk extends object>(
  context: ServerContext,
  c: Context,
  running: RunningRequest,
  chunks: AsyncGenerator<Chunk>,
  join: ((chunks: AsyncIterable<Chunk>) => Promise<object>) | null,
  ignored: readonly string[],
): Promise<Response> {
  if (join) {
    const answer = await join(chunks);
    running.end();
    return jsonAnswer(answer, ignored);
  }
  const { path } = c.req;
  return eventStream(chunks, {
    keepAliveMs: context.settings.keepAliveMs,
    onCancel: () => running.abort(),
    onEnd: (error) => {
      running.end();
      if (error === null || (error instanceof ApiError && error.status === clientClosed)) return;
      context.log.warn(
        { route: path, err: error instanceof ApiError ? (error.cause ?? error) : error },
        "stream cut short",
      );
    },
    headers: answerHeaders(ignored),
  });
}

export function jsonAnswer(body: object, ignored: readonly string[] = []): Response {
  return new Response(JSON.stringify(body), {
    headers: { "content-type": "application/json", ...answerHeaders(ignored) },
  });
}

/** Says which fields of a request were passed over, so that none is in silence. */
function answerHeaders(ignored: readonly string[]): Record<string, string> {
  if (ignored.length === 0) return {};
  return { "x-ignored-fields": ignored.map((name) => encodeURIComponent(name.slice(0, 64))).join(",") };
}
