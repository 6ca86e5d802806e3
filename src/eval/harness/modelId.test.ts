import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { modelId } from "./modelId.js";

test("a model's id changes with its weights, its config and how it is computed, and with nothing else", () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-id-"));
  const put = (name: string, content: string): void => writeFileSync(join(folder, name), content);
  put("config.json", "{}");
  put("model.safetensors", "abc");
  const time = new Date(1e12);
  utimesSync(join(folder, "model.safetensors"), time, time);
  const first = modelId(folder, { dtype: "bfloat16" });
  put("README.md", "words");
  expect(modelId(folder, { dtype: "bfloat16" })).toBe(first);
  expect(modelId(folder, { dtype: "float32" })).not.toBe(first);
  put("config.json", '{"a":1}');
  const second = modelId(folder, { dtype: "bfloat16" });
  expect(second).not.toBe(first);
  utimesSync(join(folder, "model.safetensors"), time, new Date(2e12));
  const third = modelId(folder, { dtype: "bfloat16" });
  expect(third).not.toBe(second);
  // Where a manifest has the hash of the weights, a copy of them is the same model.
  put("manifest.json", "{}");
  const fourth = modelId(folder, {});
  utimesSync(join(folder, "model.safetensors"), time, time);
  expect(modelId(folder, {})).toBe(fourth);
  rmSync(folder, { recursive: true });
});
