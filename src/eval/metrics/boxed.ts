/**
 * The last box of a mathematical text, `\boxed{...}` or `\fbox{...}`, where data sets keep their answers and models are asked to put
 * theirs. Post-training specification, 5.4; worked cases 11.17.
 */

/**
 * What is in the last box, braces balanced; of `\boxed 5`, what stands up to the next dollar or the end.
 * @returns null without a box, and where its braces do not close
 */
export function lastBoxed(text: string): string | null {
  const last = [...text.matchAll(/\\(?:boxed|fbox)\s*/g)].at(-1);
  if (!last) return null;
  const start = last.index + last[0].length;
  if (text[start] !== "{") {
    const bare = /^[^$\n]*/.exec(text.slice(start))?.[0].trim() ?? "";
    return /\s$/.test(last[0]) && bare !== "" ? bare : null;
  }
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return text.slice(start + 1, at);
  }
  return null;
}
