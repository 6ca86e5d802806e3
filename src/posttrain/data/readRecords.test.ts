import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultRecordOptions, type RecordOptions, readRecords } from "./readRecords.js";
import type { DataRecord } from "./records.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-records-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

async function read(
  paths: readonly string[],
  options: Partial<RecordOptions> = {},
  bad: string[] | null = null,
): Promise<DataRecord[]> {
  const records: DataRecord[] = [];
  const onBad = bad ? [(error: Error) => bad.push(error.message)] : [];
  for await (const record of readRecords(paths, { ...defaultRecordOptions, ...options }, ...onBad))
    records.push(record);
  return records;
}

/** Contents of a conversation's messages. */
function contents(record: DataRecord | undefined): (string | null)[] {
  if (record?.kind !== "chat" || record.completion.form !== "messages") return [];
  return record.completion.messages.map(({ content }) => content);
}

test("files are read in their order, each in its own format", async () => {
  mkdirSync(join(folder, "b"));
  put("b/2.jsonl", '{"text": "x"}\n{"text": "y"}');
  put("b/1.json", [{ instruction: "A", output: "B" }]);
  put("c.csv", "prompt,answer\nP,7\n");
  const records = await read([join(folder, "b"), join(folder, "*.csv")]);
  expect(records.map(({ kind, path, row }) => [kind, path.slice(folder.length), row])).toEqual([
    ["chat", "/b/1.json", 1],
    ["chat", "/b/2.jsonl", 1],
    ["chat", "/b/2.jsonl", 2],
    ["prompt", "/c.csv", 1],
  ]);
});

test("the first bad row ends the reading, or each is told and the rest is read", async () => {
  const path = put("a.jsonl", '{"text": "x"}\n{"text": 3}\nno\n{"text": "y"}\n{"messages": []}');
  await expect(read([path])).rejects.toThrow(`${path}: row 2: text: expected a text, got 3`);
  const bad: string[] = [];
  expect((await read([path], {}, bad)).map(({ row }) => row)).toEqual([1, 4]);
  expect(bad).toEqual([
    `${path}: row 2: text: expected a text, got 3`,
    expect.stringContaining(`${path}: row 3: malformed JSON`),
    `${path}: row 5: text: expected a text, got nothing`,
  ]);
});

test("a file without rows is refused by name", async () => {
  const path = put("a.json", "[]");
  await expect(read([path])).rejects.toThrow(`${path}: no rows; expected records`);
  await expect(read([join(folder, "none.jsonl")])).rejects.toThrow("none.jsonl: no such file or folder");
});

describe("dataset_info.json", () => {
  test("names files, formats, columns and speakers", async () => {
    put("alpaca.json", [
      { q: "A", more: "x", a: "B", input: "not named", sys: "S" },
      { q: "C", a: "D" },
      { q: "E", a: "F" },
    ]);
    put("chat.json", [
      {
        msgs: [
          { who: "U", what: "A" },
          { who: "M", what: "B" },
        ],
        system: "not named",
      },
    ]);
    put("plain.json", [{ instruction: "A", input: "x", output: "B", system: "not named" }]);
    put("pairs.json", [
      {
        conversations: [{ from: "human", value: "A" }],
        good: { from: "gpt", value: "B" },
        bad: { from: "gpt", value: "C" },
      },
    ]);
    const info = put("dataset_info.json", {
      first: { file_name: "alpaca.json", columns: { prompt: "q", response: "a", system: "sys" }, num_samples: 2 },
      second: {
        file_name: "chat.json",
        formatting: "sharegpt",
        columns: { messages: "msgs" },
        tags: { role_tag: "who", content_tag: "what", user_tag: "U", assistant_tag: "M" },
      },
      third: { file_name: "plain.json" },
      fourth: {
        file_name: "pairs.json",
        formatting: "sharegpt",
        ranking: true,
        columns: { messages: "conversations", chosen: "good", rejected: "bad" },
      },
    });
    const records = await read([info], { dataSets: ["first", "second", "third", "fourth"] });
    expect(records.map(contents)).toEqual([["S", "A", "B"], ["C", "D"], ["A", "B"], ["A\nx", "B"], []]);
    expect(records.at(-1)?.kind).toBe("preference");
    expect(records[0]?.columns).toEqual({ input: "not named", more: "x" });
  });

  test("is refused where it names what is not here or not known", async () => {
    put("a.json", [{ q: 3, a: "B" }]);
    const entries = {
      hub: { hf_hub_url: "x/y" },
      gone: { file_name: "gone.json" },
      odd: { file_name: "a.json", shuffle: true },
      form: { file_name: "a.json", formatting: "openai" },
      column: { file_name: "a.json", columns: { question: "q" } },
      pairs: { file_name: "a.json", ranking: true },
      count: { file_name: "a.json", num_samples: 0 },
      tag: { file_name: "a.json", formatting: "sharegpt", tags: { bot_tag: "x" } },
      tagged: { file_name: "a.json", tags: {} },
      typed: { file_name: "a.json", columns: { prompt: "q", response: "a" } },
    };
    const info = put("dataset_info.json", entries);
    const expected: Readonly<Record<keyof typeof entries | "none", string>> = {
      hub: `${info}: hub: hf_hub_url is not on this machine; download it and give file_name`,
      gone: `${info}: gone: file_name: no such file ${join(folder, "gone.json")}`,
      odd: `${info}: odd: unknown key shuffle; expected file_name, formatting, ranking, columns, tags, num_samples`,
      form: `${info}: form: formatting: expected alpaca or sharegpt, got "openai"`,
      column: `${info}: column: columns: unknown question for alpaca; expected prompt, query, response, history, system, tools, chosen, rejected, kto_tag`,
      pairs: `${info}: pairs: ranking: expected columns.chosen and columns.rejected for pairs`,
      count: `${info}: count: num_samples: expected a count, got 0`,
      tag: `${info}: tag: tags: unknown bot_tag; expected role_tag, content_tag, user_tag, assistant_tag, observation_tag, function_tag, system_tag`,
      tagged: `${info}: tagged: tags: only sharegpt has them`,
      // The row's field under the name that the file has for it.
      typed: `${join(folder, "a.json")}: row 1: q: expected a text, got 3`,
      none: `${info}: no data set none; there are ${Object.keys(entries).join(", ")}`,
    };
    for (const [name, message] of Object.entries(expected)) {
      await expect(read([info], { dataSets: [name] })).rejects.toThrow(message);
    }
    await expect(read([info])).rejects.toThrow("give the names of the data sets in it to read");
    await expect(read([info], { dataSets: ["typed"], format: "alpaca" })).rejects.toThrow(
      "its entries state their formats",
    );
    await expect(read([join(folder, "a.json")], { dataSets: ["x"] })).rejects.toThrow(
      "expected a dataset_info.json among the files",
    );
  });
});
