/**
 * The order of a conversation: system text first, then user and assistant by turns, results behind the calls that asked for them, and an answer
 * at the end. What deviates is an error that names the message; most deviations can be allowed by name.
 */
import type { Irregularity } from "./choices.js";
import type { PlacedMessages } from "./messages.js";
import type { RecordMessage } from "./records.js";
import type { Row } from "./row.js";

/** @param part what the messages are: a whole conversation, a question, or the answer to `before` */
export function checkOrder(
  row: Row,
  given: PlacedMessages,
  allow: readonly Irregularity[],
  part: "conversation" | "prompt" | "completion",
  before: readonly RecordMessage[] = [],
): void {
  const { messages, places } = given;
  const placed = (i: number): string => {
    const place = places[i];
    return place ? `${place.at} (${place.role})` : "messages";
  };
  const irregular = (i: number, what: Irregularity, problem: string): void => {
    // What stands in `before` has been checked as the prompt.
    if (i >= 0 && !allow.includes(what)) row.fail(placed(i), `${problem} (can be allowed: ${what})`);
  };
  let open: OpenCalls | null = null;
  let last: RecordMessage | null = null;
  let hasTurn = false;
  for (const [n, message] of [...before, ...messages].entries()) {
    const i = n - before.length;
    const { role } = message;
    const isAwaited: boolean = open !== null && open.unanswered > 0;
    if (role !== "tool" && open !== null && isAwaited) {
      const problem = `expected results of ${open.calls} tool calls before it, found ${open.calls - open.unanswered}`;
      irregular(i, "unanswered-call", problem);
    }
    if (role === "system") {
      if (hasTurn) irregular(i, "late-system", "expected system texts at the beginning only");
    } else if (role === "user") {
      if (last?.role === "user") irregular(i, "repeated-user", "expected an answer between two messages of the user");
    } else if (role === "assistant") {
      if (!hasTurn) irregular(i, "assistant-first", "expected a message of the user before the first answer");
      else if (last?.role === "assistant" && !isAwaited) {
        irregular(i, "repeated-assistant", "expected a message of the user between two answers");
      }
    } else {
      if (open === null || !isAwaited) {
        row.fail(
          placed(i),
          "a result without a call; expected an assistant's tool_calls before it, one for each result",
        );
      }
      const problem = answerCall(open, message);
      if (problem !== null) row.fail(placed(i), problem);
    }
    if (role === "assistant") open = openCalls(message);
    else if (role !== "tool") open = null;
    hasTurn ||= role !== "system";
    last = message;
  }
  checkEnds(row, given, allow, part, placed);
}

function checkEnds(
  row: Row,
  { messages, places }: PlacedMessages,
  allow: readonly Irregularity[],
  part: "conversation" | "prompt" | "completion",
  placed: (i: number) => string,
): void {
  const last = messages.at(-1);
  const end = messages.length - 1;
  if (!last) return;
  if (part === "prompt") {
    if (last.role === "user" || last.role === "tool") return;
    row.fail(placed(end), "expected a prompt to end with a message of the user or a tool's result");
  }
  if (part === "completion" && messages[0]?.role !== "assistant") {
    row.fail(placed(0), "expected a completion to begin with a message of the assistant");
  }
  if (!messages.some(({ role }) => role === "assistant")) {
    row.fail(places[0]?.at.replace(/\[\d+\]$/, "") ?? null, "expected an answer of the assistant, found none");
  }
  if (last.role !== "assistant" && !allow.includes("user-last")) {
    row.fail(placed(end), "expected an answer of the assistant at the end (can be allowed: user-last)");
  }
}

interface OpenCalls {
  readonly calls: number;
  unanswered: number;
  /** Ids that results may name; null where a call has none. */
  readonly ids: Set<string> | null;
}

function openCalls({ tool_calls: calls = [] }: RecordMessage): OpenCalls | null {
  if (calls.length === 0) return null;
  const ids = calls.map(({ id }) => id).filter((id) => id !== undefined);
  return { calls: calls.length, unanswered: calls.length, ids: ids.length === calls.length ? new Set(ids) : null };
}

/** @returns what is wrong with the result, or null */
function answerCall(open: OpenCalls, { tool_call_id: id }: RecordMessage): string | null {
  open.unanswered--;
  if (id === undefined || open.ids === null) return null;
  if (open.ids.delete(id)) return null;
  return `tool_call_id ${JSON.stringify(id)} names no open call; expected one of ${[...open.ids].join(", ") || "none"}`;
}
