/**
 * {% generation %} … {% endgeneration %}: how a chat template marks what a model writes. The template engine drops these tags; here they become
 * variables, whose values then stand in the rendered text. White space around them goes as around every block tag of a chat template: before one
 * that begins a line, one line end behind it, and all of it on a side with a dash.
 */

const names = { begin: "fathom_generation_begin", end: "fathom_generation_end" } as const;

/** The template with its marks as variables, or null where it has none. */
export function markGenerations(source: string): string | null {
  let count = 0;
  const tag = /(\s*)\{%(-?)\s*(end)?generation\s*(-?)%\}(\s*)/g;
  const marked = source.replace(tag, (...[, before = "", trimsBefore, isEnd, trimsAfter, after = "", at]) => {
    count++;
    const indented = at === 0 ? before.replace(/^[ \t]*$/, "") : before;
    const kept = trimsBefore ? "" : indented.replace(/\n[ \t]*$/, "\n");
    return `${kept}{{ ${isEnd ? names.end : names.begin} }}${trimsAfter ? "" : after.replace(/^\n/, "")}`;
  });
  return count > 0 ? marked : null;
}

/** Values of the variables. */
export function markVariables(begin: string, end: string): Record<string, string> {
  return { [names.begin]: begin, [names.end]: end };
}
