/** Parsed Markdown as elements: text nodes only, so what the model writes can never become markup. */
import type { JSX } from "preact";
import { type Block, type Inline, parseMarkdown } from "./markdown.js";

/** The page itself has the first two. */
const headings = ["h3", "h4", "h5", "h6"] as const;

export function Markdown({ text }: { readonly text: string }): JSX.Element {
  return <div class="markdown">{parseMarkdown(text).map(drawBlock)}</div>;
}

function drawBlock(block: Block, index: number): JSX.Element {
  switch (block.kind) {
    case "paragraph":
      return <p key={index}>{block.children.map(drawInline)}</p>;
    case "heading": {
      const Heading = headings[Math.min(headings.length, block.level) - 1] ?? "h6";
      return <Heading key={index}>{block.children.map(drawInline)}</Heading>;
    }
    case "list": {
      const items = block.items.map((item, i) => <li key={i}>{item.map(drawInline)}</li>);
      return block.isOrdered ? (
        <ol key={index} start={block.start}>
          {items}
        </ol>
      ) : (
        <ul key={index}>{items}</ul>
      );
    }
    case "code":
      return (
        <pre key={index}>
          <code>{block.text}</code>
        </pre>
      );
    default:
      return block satisfies never;
  }
}

function drawInline(part: Inline, index: number): JSX.Element | string {
  switch (part.kind) {
    case "text":
      return part.text;
    case "code":
      return <code key={index}>{part.text}</code>;
    case "strong":
      return <strong key={index}>{part.children.map(drawInline)}</strong>;
    case "em":
      return <em key={index}>{part.children.map(drawInline)}</em>;
    default:
      return part satisfies never;
  }
}
