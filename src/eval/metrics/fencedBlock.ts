/** Code in an answer: the last fenced block, which is where models put what they mean (post-training specification, 5.6). */

export interface FencedBlock {
  /** The word behind the fence in small letters; "" if there is none. */
  readonly language: string;
  /** With its last line break. */
  readonly code: string;
}

/**
 * The last block between fences of three or more backquotes. A block that is not closed goes to the end of the text: an answer that was cut
 * off may still have all of its code.
 */
export function lastFencedBlock(text: string): FencedBlock | null {
  let last: FencedBlock | null = null;
  let open: { readonly fence: string; readonly language: string; readonly lines: string[] } | null = null;
  const lines = text.split("\n");
  for (const line of lines) {
    const [, fence = "", info = ""] = /^\s*(`{3,})\s*([^`]*)$/.exec(line) ?? [];
    if (open === null) {
      if (fence !== "") open = { fence, language: (info.trim().split(/\s+/)[0] ?? "").toLowerCase(), lines: [] };
    } else if (fence.length >= open.fence.length && info.trim() === "") {
      last = { language: open.language, code: joined(open.lines) };
      open = null;
    } else open.lines.push(line);
  }
  if (open?.lines.some((line) => line.trim() !== "")) return { language: open.language, code: joined(open.lines) };
  return last;
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
