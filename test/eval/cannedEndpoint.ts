/**
 * An endpoint that answers as a test says, and a folder of rows, so that `fathom eval` can be run from flags to figures with answers that are
 * known beforehand.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EvalFlags } from "../../src/cli/evalOptions.js";
import { run } from "../../src/cli/evalRun.js";

export interface Turn {
  readonly role: string;
  readonly content: string;
}

/** Words of a question, and its answer. */
export type Answers = readonly (readonly [words: string, answer: string])[];

export interface Results {
  readonly results: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly left_out: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
}

export class CannedEndpoint {
  readonly folder = mkdtempSync(join(tmpdir(), "fathom-canned-"));
  /** Since the last evaluation began: texts, and chats turn by turn. */
  asked: (string | readonly Turn[])[] = [];
  #answers: Answers = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (piece: Buffer) => {
        body += piece.toString("utf8");
      });
      request.on("end", () => {
        const answer = request.url?.endsWith("/models") ? { data: [{ id: "canned" }] } : this.#answer(body);
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(answer));
      });
    });
  }

  static async start(): Promise<CannedEndpoint> {
    const endpoint = new CannedEndpoint();
    await new Promise<void>((resolve) => endpoint.#server.listen(0, "127.0.0.1", resolve));
    return endpoint;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes a file of rows that --data-dir finds. */
  put(path: string, rows: readonly object[]): void {
    mkdirSync(join(this.folder, path, ".."), { recursive: true });
    writeFileSync(join(this.folder, path), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }

  /** @param answers the first whose words are in the text, or in the chat's last turn, is given; else one that is wrong everywhere */
  async evaluate(tasks: string, answers: Answers, flags: EvalFlags = {}): Promise<Results> {
    this.#answers = answers;
    this.asked = [];
    const { port } = this.#server.address() as AddressInfo;
    const model = `http://127.0.0.1:${port}/v1`;
    const { result } = await run({ model, tasks, dataDir: this.folder, bootstrapIters: 0, ...flags });
    return result as unknown as Results;
  }

  #answer(body: string): object {
    const { prompt = "", messages } = JSON.parse(body) as { prompt?: string; messages?: readonly Turn[] };
    this.asked.push(messages ?? prompt);
    const question = messages?.at(-1)?.content ?? prompt;
    const content = this.#answers.find(([words]) => question.includes(words))?.[1] ?? "I do not know.";
    const choice = messages ? { message: { role: "assistant", content } } : { text: content };
    return { choices: [{ ...choice, finish_reason: "stop" }], usage: {} };
  }
}
