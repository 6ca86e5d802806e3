/** Why a request may end before its answer is whole: its client has gone, its time is up, or the server is going down. */
import { ApiError, clientClosed } from "./apiError.js";

export interface RequestSignal {
  readonly signal: AbortSignal;
  /** The client went away. */
  readonly abort: () => void;
  /** Drops the clock and the ties to the other signals. */
  readonly end: () => void;
}

/**
 * @param client aborts when the connection closes
 * @param server aborts when what still runs has to end
 */
export function requestSignal(client: AbortSignal, server: AbortSignal, timeoutMs: number): RequestSignal {
  const controller = new AbortController();
  const gone = (): void =>
    controller.abort(new ApiError(clientClosed, "invalid_request_error", "the client closed the connection"));
  const ended = (): void => controller.abort(shuttingDown());
  const late = (): void =>
    controller.abort(
      new ApiError(408, "timeout_error", `not finished within ${timeoutMs} ms`, { code: "request_timeout" }),
    );
  const timer = setTimeout(late, timeoutMs);
  client.addEventListener("abort", gone);
  server.addEventListener("abort", ended);
  if (client.aborted) gone();
  if (server.aborted) ended();
  const end = (): void => {
    clearTimeout(timer);
    client.removeEventListener("abort", gone);
    server.removeEventListener("abort", ended);
  };
  return { signal: controller.signal, abort: gone, end };
}

export function shuttingDown(): ApiError {
  return new ApiError(503, "service_unavailable", "the server is shutting down", {
    code: "shutting_down",
    retryAfterSeconds: 5,
  });
}
