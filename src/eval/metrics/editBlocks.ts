/**
 * Search/replace blocks, the edit format `diff` of Aider's benchmarks: a file name, then a fence with the lines to find and the lines to
 * put there. Evaluation specification, 5.13: an answer is well formed if every block in it is; the share of well-formed cases is reported.
 *
 *     exercise.py
 *     ```python
 *     <<<<<<< SEARCH
 *     old lines
 *     =======
 *     new lines
 *     >>>>>>> REPLACE
 *     ```
 *
 * The name may also stand inside the fence, above the first marker, and markers may have five to nine signs. A block without a name
 * belongs to the file of the block before it.
 */

export interface EditBlock {
  readonly path: string;
  /** Lines with their line breaks; empty search adds to the end of a file, or makes it. */
  readonly search: string;
  readonly replace: string;
}

/** What is wrong with an answer: it cannot be parsed, or a block does not fit the file. */
export class EditBlockError extends Error {}

const searchMarker = /^<{5,9} SEARCH>?\s*$/;
const divider = /^={5,9}\s*$/;
const replaceMarker = /^>{5,9} REPLACE\s*$/;

/**
 * @param paths files that may be edited; a bare name stands for the one file of that name
 * @throws EditBlockError for an unfinished block, a block without a file, or a file that is not one of `paths`
 */
export function parseEditBlocks(answer: string, paths: readonly string[]): EditBlock[] {
  const lines = answer.split(/(?<=\n)/);
  const blocks: EditBlock[] = [];
  let path: string | null = null;
  for (let at = 0; at < lines.length; at++) {
    if (!searchMarker.test(lines[at] ?? "")) continue;
    const opened = at + 1;
    path = pathAbove(lines, at, paths) ?? path;
    if (path === null) {
      throw new EditBlockError(
        `line ${opened}: the edit block names no file; the line above its fence must be one of ${paths.join(", ")}`,
      );
    }
    const take = (end: RegExp, name: string): string => {
      const from = ++at;
      while (at < lines.length && !end.test(lines[at] ?? "")) {
        if (searchMarker.test(lines[at] ?? "")) {
          throw new EditBlockError(`line ${at + 1}: a block begins inside the one of line ${opened}, ${name} expected`);
        }
        at++;
      }
      if (at >= lines.length) throw new EditBlockError(`line ${opened}: the edit block has no ${name}`);
      return lines.slice(from, at).join("");
    };
    const search = take(divider, "=======");
    const replace = take(replaceMarker, ">>>>>>> REPLACE");
    blocks.push({ path, search, replace });
  }
  return blocks;
}

/**
 * Edits applied in order, each at the first place where all its lines are found, ends of lines aside.
 * @returns a new map; files that no block touches are there unchanged
 * @throws EditBlockError if the lines of a block are not in its file
 */
export function applyEditBlocks(files: ReadonlyMap<string, string>, blocks: readonly EditBlock[]): Map<string, string> {
  const edited = new Map(files);
  for (const { path, search, replace } of blocks) {
    const content = withLineEnd(edited.get(path) ?? "");
    if (search.trim() === "") {
      edited.set(path, content + replace);
      continue;
    }
    const at = lineIndexOf(content, withLineEnd(search));
    if (at < 0) {
      throw new EditBlockError(
        `${path}: the lines to find are not in the file: ${JSON.stringify(search.slice(0, 80))}`,
      );
    }
    edited.set(path, content.slice(0, at) + replace + content.slice(at + withLineEnd(search).length));
  }
  return edited;
}

/** The file named on one of the three lines above the marker, past fences. */
function pathAbove(lines: readonly string[], marker: number, paths: readonly string[]): string | null {
  for (let back = 1; back <= 3; back++) {
    const line = (lines[marker - back] ?? "").trim();
    if (replaceMarker.test(line)) return null;
    const isFence = line.startsWith("```");
    // A fence may carry the name behind its language: ```python exercise.py
    const name = (isFence ? line.replace(/^`+[\w+#-]*/, "") : line).trim().replace(/^[#*`]+\s*|[*`:]+$/g, "");
    if (name !== "") {
      const known = paths.filter((path) => path === name || path.endsWith(`/${name}`));
      if (known.length === 1) return known[0] ?? null;
      if (/^[\w./-]+\.\w+$/.test(name)) {
        throw new EditBlockError(`line ${marker + 1}: ${name} is not one of the files to edit: ${paths.join(", ")}`);
      }
    }
    if (!isFence && line !== "") return null;
  }
  return null;
}

/** Where `search` begins at the start of a line. */
function lineIndexOf(content: string, search: string): number {
  for (let at = content.indexOf(search); at >= 0; at = content.indexOf(search, at + 1)) {
    if (at === 0 || content[at - 1] === "\n") return at;
  }
  return -1;
}

function withLineEnd(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
