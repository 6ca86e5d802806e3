/**
 * Server-sent events of a completion (infrastructure.md 7.1): `data: {json}` for each chunk, a comment while nothing comes, `data: [DONE]` at
 * the end. A chunk is made when the client has taken the one before, so a slow reader holds up nobody but itself.
 */
import { apiErrorOf } from "./apiError.js";

export interface EventStreamOptions {
  readonly keepAliveMs: number;
  /** Called once when the stream is over, whole or not: the error that ended it, or null. */
  readonly onEnd: (error: unknown) => void;
  /** The client does not read any more. */
  readonly onCancel: () => void;
  readonly headers?: Readonly<Record<string, string>>;
}

const done = "data: [DONE]\n\n";
const keepAlive = ": keep-alive\n\n";

/**
 * Waits for the first chunk, for at most the time of a keep-alive, so that a request that is refused gets a status of its own.
 * @throws what the first chunk threw
 */
export async function eventStream(chunks: AsyncGenerator<object>, options: EventStreamOptions): Promise<Response> {
  const { keepAliveMs, onEnd, onCancel } = options;
  let pending: Promise<IteratorResult<object>> | null = chunks.next();
  try {
    await within(pending, keepAliveMs);
  } catch (error) {
    onEnd(error);
    throw error;
  }
  const utf8 = new TextEncoder();
  let isOver = false;
  const end = (error: unknown): void => {
    if (isOver) return;
    isOver = true;
    onEnd(error);
  };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (text: string): void => controller.enqueue(utf8.encode(text));
        try {
          pending ??= chunks.next();
          const result = await within(pending, keepAliveMs);
          if (isOver) return;
          if (result === null) {
            send(keepAlive);
            return;
          }
          pending = null;
          if (!result.done) {
            send(`data: ${JSON.stringify(result.value)}\n\n`);
            return;
          }
          send(done);
          controller.close();
          end(null);
        } catch (error) {
          if (isOver) return;
          end(error);
          send(`data: ${JSON.stringify(apiErrorOf(error).body)}\n\n`);
          controller.close();
        }
      },
      cancel() {
        onCancel();
        end(null);
        // Lets the chunks' own clean-up run; what they were waiting for has been aborted.
        pending?.catch(() => {});
        chunks.return(undefined).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
      ...options.headers,
    },
  });
}

/** What a promise gives, or null if that takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
