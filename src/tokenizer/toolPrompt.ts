/**
 * How a model is told of its tools. DeepSeek-V3's template has no place for them (model.md F3), so they are described in the system text; a
 * template that has a variable `tools` gets them there instead. Serving and training data use the same text.
 */
import type { ChatMessage } from "./chatTemplate.js";
import { toolCallBegin, toolCallEnd, toolCallsBegin, toolCallsEnd, toolSeparator } from "./specialTokens.js";

/** A function that the model may call, as chat completions describe it. */
export interface ToolDescription {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | null | undefined;
    /** JSON schema of the arguments. */
    readonly parameters?: Readonly<Record<string, unknown>> | null | undefined;
  };
}

/** Whether a template writes the tools by itself. */
export function templateKnowsTools(template: string): boolean {
  return /\{[{%][^}]*\btools\b/.test(template);
}

/** The messages with a description of the tools at the end of the first system text. */
export function withTools(
  messages: readonly ChatMessage[],
  tools: readonly ToolDescription[],
  template: string,
): ChatMessage[] {
  return withSystemText(messages, describeTools(tools, template));
}

/** The messages with what an answer that must be calls looks like, as a grammar holds it (serve/forcedCalls.ts). */
export function withCallList(messages: readonly ChatMessage[]): ChatMessage[] {
  const list = '[{"name": NAME, "arguments": ARGUMENTS}]';
  return withSystemText(
    messages,
    `This time write nothing but a JSON list of calls, in place of the form above:\n${list}`,
  );
}

function withSystemText(messages: readonly ChatMessage[], text: string): ChatMessage[] {
  const at = messages.findIndex(({ role }) => role === "system");
  const system = messages[at];
  if (!system) return [{ role: "system", content: text }, ...messages];
  return messages.with(at, { ...system, content: `${system.content ?? ""}\n\n${text}` });
}

function describeTools(tools: readonly ToolDescription[], template: string): string {
  const isFenced = template.includes("```json");
  const call = isFenced
    ? `${toolCallBegin}function${toolSeparator}NAME\n\`\`\`json\nARGUMENTS\n\`\`\`${toolCallEnd}`
    : `${toolCallBegin}NAME${toolSeparator}ARGUMENTS${toolCallEnd}`;
  const listed = tools.map(({ function: { name, description, parameters } }) =>
    [
      `### ${name}`,
      ...(description ? [description] : []),
      `Parameters: ${JSON.stringify(parameters ?? { type: "object", properties: {} })}`,
    ].join("\n"),
  );
  return [
    "## Tools\nYou have these tools:",
    ...listed,
    `To call tools, write:\n${toolCallsBegin}${call}${toolCallsEnd}\nARGUMENTS is JSON that follows the parameters of the tool NAME. Several calls follow each other directly.`,
  ].join("\n\n");
}
