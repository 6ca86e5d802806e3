import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer } from "./serverProcess.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-server-process-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program in the server's place. */
function program(name: string, source: string): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, source);
  return file;
}

test("a server is there once it says where it listens, hears its words, and ends when it is told to", async () => {
  const file = program(
    "serves",
    `process.stderr.write("opening\\n");
setTimeout(() => process.stderr.write("listening on http://127.0.0.1:1234 (no key needed)\\n"), 50);
setTimeout(() => process.stderr.write(process.argv.slice(2).join(" ") + " key:" + process.env.FATHOM_API_KEY + "\\n"), 120);
process.on("SIGTERM", () => process.exit(0));
setInterval(() => {}, 1000);`,
  );
  const said: string[] = [];
  const server = await startServer(file, ["model", "--threads", "1"], (line) => said.push(line));
  expect(server.url).toBe("http://127.0.0.1:1234");
  await expect.poll(() => said, { timeout: 20_000 }).toHaveLength(1);
  expect(said[0]).toBe("serve model --threads 1 --port 0 --log-level error key:undefined");
  await server.close();
  await server.close();
});

test("a server that ends before it listens is told with its last words", async () => {
  const file = program(
    "fails",
    'process.stderr.write("warming\\nfathom: models/x: no config.json\\n"); process.exit(1);',
  );
  await expect(startServer(file, [], () => {})).rejects.toThrow(
    new RangeError("bench serve: the server ended with 1: models/x: no config.json"),
  );
});
