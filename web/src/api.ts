/**
 * Requests to the server that the page came from. A server with keys answers 401; the page then asks for one, tries again, and keeps it for as
 * long as the browser's tab lives.
 */

/** What the server said instead of an answer, in OpenAI's shape where it did. */
export class ApiError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

const keyName = "fathom-key";
let askForKey: () => Promise<string | null> = async () => null;
let asking: Promise<string | null> | null = null;

/** @param ask shows the question; null = the user does not answer */
export function onKeyNeeded(ask: () => Promise<string | null>): void {
  askForKey = ask;
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

export async function openStream(
  path: string,
  body: object | null,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const asked: RequestInit = body
    ? { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" }, signal }
    : { signal };
  const response = await request(path, asked);
  if (!response.body) throw new ApiError("the server sent no body", response.status);
  return response.body;
}

async function request(path: string, init: RequestInit): Promise<Response> {
  for (;;) {
    const key = sessionStorage.getItem(keyName);
    const headers = { ...(init.headers as Record<string, string>), ...(key ? { authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(path, { ...init, headers, cache: "no-store" });
    if (response.ok) return response;
    // Another request may have got a key meanwhile.
    if (response.status === 401 && sessionStorage.getItem(keyName) !== key) continue;
    if (response.status === 401 && (await newKey()) !== null) continue;
    throw new ApiError(await messageOf(response), response.status);
  }
}

/** One question, however many requests need its answer. */
function newKey(): Promise<string | null> {
  asking ??= askForKey().then((key) => {
    if (key !== null) sessionStorage.setItem(keyName, key);
    asking = null;
    return key;
  });
  return asking;
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const value = JSON.parse(text) as { error?: { message?: unknown } };
    if (typeof value.error?.message === "string") return value.error.message;
  } catch {
    // Not JSON: another program in between.
  }
  return `the server answered ${response.status} ${response.statusText}`.trim();
}
