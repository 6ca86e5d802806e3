/** Commands that pages and help texts print, as a reader would copy them: line ends behind a backslash joined, comments left out. */

/** What follows `npx ` in a page: blocks, and code within the text. */
export function commandsOfPage(page: string): string[] {
  return [...joined(page).matchAll(/npx (fathom [^`\n|;]*)/g)].map(([, command = ""]) => withoutComment(command));
}

/** Lines of the blocks of a page that run the command, whole, with what stands before a pipe. */
export function linesOfPage(page: string): string[] {
  const blocks = [...joined(page).matchAll(/^```\w*\n(.*?)^```/gms)].map(([, block = ""]) => block);
  return blocks.flatMap((block) => block.split("\n").filter((line) => line.includes("npx fathom ")));
}

/** The commands of a help text's examples, without the names, processes and redirections that stand around them. */
export function examplesOfHelp(help: string): string[] {
  const at = help.lastIndexOf("\nExample");
  if (at < 0) return [];
  const [, ...lines] = joined(help.slice(at + 1)).split("\n");
  return lines
    .flatMap((line) => line.split("&&"))
    .flatMap((part) => /\bfathom [^<|]*/.exec(part)?.[0] ?? [])
    .map(withoutComment);
}

/** A command's words, without quotes around them. */
export function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
}

function joined(text: string): string {
  return text.replaceAll(/ *\\\n\s*/g, " ");
}

/** Behind a command a page may say what it does, or what to do then. */
function withoutComment(line: string): string {
  return line.replace(/\s#.*$|, then\b.*$/, "").trim();
}
