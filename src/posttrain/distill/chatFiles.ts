/** Conversations of files for review: whoever wrote them, a person says whether they are good enough. */

import { JsonLog } from "../ask/jsonLog.js";
import { defaultRecordOptions, readRecords } from "../data/readRecords.js";
import type { DataRecord, RecordMessage } from "../data/records.js";
import { readReview, reviewId, waitingRecord } from "./review.js";

/**
 * Queues the conversations that end with an answer; those that are queued already stay as they are.
 * @param path the queue
 * @returns how many are new, and how many rows have no answer to review
 * @throws RangeError for files that cannot be read
 */
export async function queueChats(
  path: string,
  paths: readonly string[],
): Promise<{ readonly queued: number; readonly passed: number }> {
  const there = await readReview(path);
  const seen = new Set(there.keys());
  using log = new JsonLog(path);
  let [queued, passed] = [0, 0];
  for await (const record of readRecords(paths, { ...defaultRecordOptions, plainAs: "chat" })) {
    const messages = conversationOf(record);
    const answer = messages?.at(-1);
    if (!messages || answer?.role !== "assistant" || answer.content === null || answer.tool_calls !== undefined) {
      passed++;
      continue;
    }
    const id = reviewId(messages.slice(0, -1), answer.content);
    if (seen.has(id)) continue;
    seen.add(id);
    log.append([waitingRecord(id, messages.map(plain), record.path)]);
    queued++;
  }
  return { queued, passed };
}

/** Null: no conversation, or one with tools, which the queue has no place for. */
function conversationOf(record: DataRecord): readonly RecordMessage[] | null {
  if (record.kind !== "chat" || record.completion.form !== "messages" || record.tools.length > 0) return null;
  const before = record.prompt?.form === "messages" ? record.prompt.messages : [];
  const messages = [...before, ...record.completion.messages];
  return messages.length < 2 ? null : messages;
}

function plain({ weight: _, ...message }: RecordMessage): Omit<RecordMessage, "weight"> {
  return message;
}
