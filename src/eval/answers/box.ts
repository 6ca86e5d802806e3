/** The last `\boxed{...}` of a text: the agreed place of a final answer. Spec: post-training.md section 5.4. */

/**
 * The content of the last `\boxed` or `\fbox`: between matching braces, or, as in `\boxed 5`, up to the next `$`.
 * @returns null if there is none, or if the last one's braces do not match (a text that was cut)
 */
export function lastBox(text: string): string | null {
  const start = Math.max(text.lastIndexOf("\\boxed"), text.lastIndexOf("\\fbox"));
  if (start < 0) return null;
  const after = text.slice(start).replace(/^\\(boxed|fbox)/, "");
  const braced = /^\s*\{/.exec(after);
  if (braced) {
    const end = matchingBrace(after, braced[0].length - 1);
    return end === null ? null : after.slice(braced[0].length, end).trim();
  }
  const spaced = /^\s+([^$\n]+)/.exec(after);
  return spaced?.[1] === undefined ? null : spaced[1].trim();
}

/** Where the brace that opens at `open` is closed; an escaped brace counts for nothing. */
export function matchingBrace(text: string, open: number): number | null {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return at;
  }
  return null;
}

/** Replaces each `\boxed{x}` by `x`; what is not closed stays. */
export function withoutBoxes(text: string): string {
  let rest = text;
  for (;;) {
    const found = /\\(?:boxed|fbox)\s*\{/.exec(rest);
    if (!found) return rest.replace(/\\(?:boxed|fbox)\b\s*/g, "");
    const open = found.index + found[0].length - 1;
    const end = matchingBrace(rest, open);
    if (end === null) return rest;
    rest = rest.slice(0, found.index) + rest.slice(open + 1, end) + rest.slice(end + 1);
  }
}
