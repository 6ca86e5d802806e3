/**
 * The part of Markdown that models write most: paragraphs, headings, lists, fenced code; in a line code, strong and emphasis. It is parsed to
 * plain data and drawn as elements, so whatever the model writes is text. Links and pictures are left as written: nothing is loaded, nothing
 * leads away.
 */

export type Inline =
  | { readonly kind: "text" | "code"; readonly text: string }
  | { readonly kind: "strong" | "em"; readonly children: readonly Inline[] };

export type Block =
  | { readonly kind: "paragraph"; readonly children: readonly Inline[] }
  | { readonly kind: "heading"; readonly level: number; readonly children: readonly Inline[] }
  | {
      readonly kind: "list";
      readonly isOrdered: boolean;
      readonly start: number;
      readonly items: readonly (readonly Inline[])[];
    }
  | { readonly kind: "code"; readonly language: string; readonly text: string };

const fence = /^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*$/;
const bullet = /^\s{0,3}[-*+]\s+(.*)$/;
const numbered = /^\s{0,3}(\d{1,9})[.)]\s+(.*)$/;
const heading = /^(#{1,6})\s+(.*?)\s*#*$/;

/** Every text has a reading: what is no markup is a paragraph, and a fence that is still open ends with the text. */
export function parseMarkdown(text: string): Block[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks: Block[] = [];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i] ?? "";
    const opened = fence.exec(line);
    const headed = heading.exec(line);
    if (line.trim() === "") i++;
    else if (opened) {
      const mark = opened[1] ?? "```";
      const code: string[] = [];
      for (i++; i < lines.length && !(lines[i] ?? "").trimStart().startsWith(mark); i++) code.push(lines[i] ?? "");
      i++;
      blocks.push({ kind: "code", language: opened[2] ?? "", text: code.join("\n") });
    } else if (headed) {
      blocks.push({ kind: "heading", level: headed[1]?.length ?? 1, children: parseInline(headed[2] ?? "") });
      i++;
    } else if (bullet.test(line) || numbered.test(line)) {
      const first = numbered.exec(line);
      const pattern = first ? numbered : bullet;
      const items: string[] = [];
      for (; i < lines.length; i++) {
        const next = lines[i] ?? "";
        const item = pattern.exec(next);
        if (item) items.push(item.at(-1) ?? "");
        else if (/^\s+\S/.test(next) && items.length > 0) items[items.length - 1] += ` ${next.trim()}`;
        else break;
      }
      blocks.push({
        kind: "list",
        isOrdered: first !== null,
        start: Number(first?.[1] ?? 1),
        items: items.map(parseInline),
      });
    } else {
      const paragraph: string[] = [];
      for (; i < lines.length; i++) {
        const next = lines[i] ?? "";
        if (next.trim() === "" || (paragraph.length > 0 && [fence, heading, bullet].some((mark) => mark.test(next))))
          break;
        paragraph.push(next);
      }
      blocks.push({ kind: "paragraph", children: parseInline(paragraph.join("\n")) });
    }
  }
  return blocks;
}

/** Marks that find no partner stay as they are. Linear: each mark looks for its partner once, and nesting is one level of strong with em. */
function parseInline(text: string): Inline[] {
  const parts: Inline[] = [];
  const pattern = /`([^`\n]+)`|\*\*(?=\S)([^*]*(?:\*(?!\*)[^*]+)*)\*\*|\*(?=\S)([^*\n]+)\*/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) parts.push({ kind: "text", text: text.slice(end, match.index) });
    const [all, code, strong, em] = match;
    if (code !== undefined) parts.push({ kind: "code", text: code });
    else if (strong !== undefined) parts.push({ kind: "strong", children: parseInline(strong) });
    else parts.push({ kind: "em", children: [{ kind: "text", text: em ?? "" }] });
    end = match.index + all.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}
