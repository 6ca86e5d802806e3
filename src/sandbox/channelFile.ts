/**
 * A guest's standard input, seen from outside: strict alternation of one request for the guest and one reply, in the frames of
 * pythonCodec.ts. A reply counts only with the nonce of its request, which is fresh for each; anything else ends the guest.
 */
import { randomBytes } from "node:crypto";

/** What is asked of a guest, decided as its replies come in. */
export interface Script {
  /**
   * @param reply the guest's answer to the last request, null before the first: untrusted text
   * @returns the next request; null: nothing more, which ends the guest
   */
  next(reply: string | null): string | null;
}

/** Thrown through the guest's stack to end it. */
export class EndOfGuest extends Error {
  readonly reason: "done" | "protocol" | "output";

  constructor(reason: "done" | "protocol" | "output", message = "") {
    super(message);
    this.reason = reason;
  }
}

const headBytes = 24;
const maxReplyBytes = 16 << 20;

export class ChannelFile {
  readonly #script: Script;
  #nonce = "";
  /** What is left to be read of the request; null while a reply is due. */
  #request: Uint8Array | null = null;
  #reply: Uint8Array[] = [];
  #replyBytes = 0;
  #isReplyDue = false;

  constructor(script: Script) {
    this.#script = script;
    this.#ask(null);
  }

  /** The next bytes of the request, `size` at most; none while a reply is due. */
  read(size: number): Uint8Array {
    if (this.#request === null) return new Uint8Array();
    const part = this.#request.subarray(0, size);
    this.#request = this.#request.subarray(part.length);
    if (this.#request.length === 0) {
      this.#request = null;
      this.#isReplyDue = true;
    }
    return part;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isReplyDue) throw new EndOfGuest("protocol", "the program wrote to the sandbox's channel unasked");
    this.#reply.push(bytes.slice());
    this.#replyBytes += bytes.length;
    if (this.#replyBytes < headBytes) return;
    const all = Buffer.concat(this.#reply);
    this.#reply = [all];
    const head = all.toString("latin1", 0, headBytes);
    const length = /^[0-9a-f]{8}$/.test(head.slice(16)) ? Number.parseInt(head.slice(16), 16) : Number.NaN;
    if (head.slice(0, 16) !== this.#nonce || !(length <= maxReplyBytes)) {
      const what = length > maxReplyBytes ? `returned ${length} bytes, ${maxReplyBytes} at most` : "forged an answer";
      throw new EndOfGuest("protocol", `the program ${what}`);
    }
    if (all.length < headBytes + length) return;
    if (all.length > headBytes + length) throw new EndOfGuest("protocol", "the program answered more than once");
    this.#isReplyDue = false;
    this.#reply = [];
    this.#replyBytes = 0;
    this.#ask(all.toString("latin1", headBytes));
  }

  #ask(reply: string | null): void {
    const request = this.#script.next(reply);
    if (request === null) throw new EndOfGuest("done");
    this.#nonce = randomBytes(8).toString("hex");
    this.#request = frame(this.#nonce, request);
  }
}

export function frame(nonce: string, json: string): Uint8Array {
  const body = Buffer.from(asciiJson(json), "latin1");
  return Buffer.concat([Buffer.from(nonce + body.length.toString(16).padStart(8, "0"), "latin1"), body]);
}

/** JSON text with every character past ASCII escaped. */
function asciiJson(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
