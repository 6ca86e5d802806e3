/** One request to a JSON interface. Node's own fetch gives up after five minutes without an answer, which a long text may well take. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

export type PostJson = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: object | null,
  signal: AbortSignal,
) => Promise<HttpAnswer>;

/** @param body null: GET @throws the system's error where no answer comes; the signal's reason */
export const postJson: PostJson = (url, headers, body, signal) =>
  new Promise((resolve, reject) => {
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const content = body === null ? null : Buffer.from(JSON.stringify(body));
    const length = content === null ? {} : { "content-type": "application/json", "content-length": content.length };
    const method = content === null ? "GET" : "POST";
    const outgoing = send(
      url,
      { method, headers: { accept: "application/json", ...headers, ...length }, signal },
      (answer) => {
        const pieces: Buffer[] = [];
        answer.on("data", (piece: Buffer) => pieces.push(piece));
        answer.on("error", reject);
        answer.on("end", () => {
          const retryAfter = answer.headers["retry-after"] ?? null;
          resolve({ status: answer.statusCode ?? 0, retryAfter, text: Buffer.concat(pieces).toString("utf8") });
        });
      },
    );
    outgoing.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    outgoing.end(content);
  });
