/** The last fenced block of a text: where a program is expected. Spec: post-training.md section 5.6. */

export interface Fence {
  /** The word after the opening fence in lower case; empty if there is none. */
  readonly language: string;
  readonly code: string;
}

/** Null if there is none that is closed. */
export function lastFence(text: string): Fence | null {
  let open: { readonly mark: string; readonly language: string; readonly lines: string[] } | null = null;
  let last: Fence | null = null;
  for (const line of text.split("\n")) {
    const mark = /^\s{0,3}(`{3,}|~{3,})\s*([^\s`{]*)/.exec(line);
    if (open === null) {
      if (mark) open = { mark: mark[1] ?? "", language: (mark[2] ?? "").toLowerCase(), lines: [] };
    } else if (mark && line.trim().startsWith(open.mark) && /^[`~]+$/.test(line.trim())) {
      last = { language: open.language, code: open.lines.join("\n") };
      open = null;
    } else open.lines.push(line);
  }
  return last;
}
