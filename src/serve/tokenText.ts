/** A token as log-probabilities show it: its text, and its bytes where they are no text by themselves. */
import type { Tokenizer } from "../tokenizer/tokenizer.js";

export interface TokenText {
  readonly token: string;
  readonly bytes: readonly number[];
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** @param id one that the vocabulary may lack: the model's output has more rows */
export function tokenText(tokenizer: Tokenizer | null, id: number): TokenText {
  if (!tokenizer?.hasToken(id)) return { token: `<${id}>`, bytes: [] };
  const bytes = tokenizer.idToBytes(id);
  return { token: utf8.decode(bytes), bytes: Array.from(bytes) };
}

/** As keys of text completions: parts of characters keep apart, `bytes:\xe2\x82` as at OpenAI. */
export function tokenKey(tokenizer: Tokenizer | null, id: number): string {
  const { token, bytes } = tokenText(tokenizer, id);
  if (!token.includes("\ufffd")) return token;
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
}
