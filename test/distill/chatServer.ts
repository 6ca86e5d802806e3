/** A server of chat completions that answers as a test tells it to. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface ChatBody {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly seed: number;
}

export class ChatServer implements AsyncDisposable {
  readonly asked: ChatBody[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param write the n-th answer, from 0; null: the server fails with 503 */
  static async start(write: (body: ChatBody, n: number) => string | null, delayMs = 0): Promise<ChatServer> {
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (piece: Buffer) => {
        text += piece.toString();
      });
      request.on("end", () => {
        if (request.url === "/v1/models") {
          response.end(JSON.stringify({ data: [{ id: "teacher" }] }));
          return;
        }
        const body = JSON.parse(text) as ChatBody;
        const content = write(body, made.asked.push(body) - 1);
        setTimeout(() => {
          if (content === null) response.writeHead(503).end("no teacher today");
          else {
            const choices = [{ message: { role: "assistant", content }, finish_reason: "stop" }];
            response.end(JSON.stringify({ choices, usage: { completion_tokens: content.length } }));
          }
        }, delayMs);
      });
    });
    const made = new ChatServer(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
