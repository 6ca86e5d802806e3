import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AnsweringModel, writing } from "../../../test/eval/answeringModel.js";
import { judgeReply } from "./judge.js";
import { RequestCache } from "./requestCache.js";

test("a judge is asked once for a verdict, greedily and as in a chat", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-judge-"));
  const seen: unknown[] = [];
  const judge = new AnsweringModel((request) => {
    seen.push(request);
    return writing("A");
  });
  using cache = new RequestCache(join(folder, "cache.jsonl"));
  const { signal } = new AbortController();
  expect(await judgeReply(judge, cache, "right?", signal)).toBe("A");
  expect(await judgeReply(judge, cache, "right?", signal)).toBe("A");
  expect(judge.asked).toBe(1);
  expect(seen[0]).toMatchObject({
    kind: "generate",
    prompt: { kind: "chat", messages: [{ role: "user", content: "right?" }] },
    settings: { temperature: 0 },
  });
  await judgeReply(judge, null, "right?", signal);
  expect(judge.asked).toBe(2);
  rmSync(folder, { recursive: true });
});
