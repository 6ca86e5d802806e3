/**
 * Server-sent events from a fetch, for EventSource can neither POST nor send a key. The format of the HTML standard, section 9.2.6, without
 * `retry`: lines end in LF, CR or CRLF, an empty line ends an event, lines that begin with a colon are comments.
 */

export interface ServerEvent {
  /** "message" where the server names none. */
  readonly event: string;
  readonly data: string;
  /** The last id that the server gave, also with an earlier event; "" if none. */
  readonly id: string;
}

/** Takes text as it arrives, in any pieces. */
export class EventParser {
  #rest = "";
  #data: string[] = [];
  #event = "";
  #id = "";

  /** @returns the events that this piece completes */
  push(text: string): ServerEvent[] {
    this.#rest += text;
    const events: ServerEvent[] = [];
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      // A CR at the very end may be half of a CRLF.
      if (end < 0 || (this.#rest[end] === "\r" && end === this.#rest.length - 1)) return events;
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(this.#rest.startsWith("\r\n", end) ? end + 2 : end + 1);
      const event = this.#take(line);
      if (event) events.push(event);
    }
  }

  #take(line: string): ServerEvent | null {
    if (line === "") {
      const event = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
      const isEmpty = this.#data.length === 0;
      this.#data = [];
      this.#event = "";
      return isEmpty ? null : event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id") this.#id = value;
    return null;
  }
}

/** Events of a response's body as they come; ends with it. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
