/**
 * The tokens of an answer, one after another as text. One of them is in the tab order and the arrow keys go through them, for a tab stop at each
 * would keep a keyboard in here. The shade tells how sure the model was, the line below that MTP had drafted it.
 */
import { Component, type JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Token } from "./answer.js";
import type { Generation } from "./generation.js";
import type { Session } from "./session.js";

/** Tokens that are drawn again together; all but the last block stay as they are while the answer grows. */
const blockTokens = 64;

export function TokenText({
  session,
  generation,
}: {
  readonly session: Session;
  readonly generation: Generation;
}): JSX.Element {
  const { tokens } = generation.answer;
  const [cursor, setCursor] = useState(0);
  const place = useRef<HTMLDivElement>(null);
  const openIndex = session.open?.generation === generation ? session.open.index : null;
  // Walking from token to token in the inspector takes the cursor along.
  useEffect(() => {
    if (openIndex === null) return;
    setCursor(openIndex);
    place.current?.querySelector(`[data-i="${openIndex}"]`)?.scrollIntoView({ block: "nearest" });
  }, [openIndex]);

  const go = (index: number, isFocused: boolean): void => {
    const to = Math.max(0, Math.min(tokens.length - 1, index));
    setCursor(to);
    if (isFocused) place.current?.querySelector<HTMLElement>(`[data-i="${to}"]`)?.focus();
  };
  const openAt = (target: EventTarget | null): void => {
    const token = target instanceof Element ? target.closest<HTMLElement>("[data-i]") : null;
    if (!token) return;
    const index = Number(token.dataset.i);
    setCursor(index);
    session.change({ open: { generation, index } });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const moves: Readonly<Record<string, number>> = {
      ArrowRight: cursor + 1,
      ArrowLeft: cursor - 1,
      ArrowDown: cursor + 10,
      ArrowUp: cursor - 10,
      Home: 0,
      End: tokens.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) go(to, true);
    else if (event.key === "Enter" || event.key === " ") openAt(event.target);
    else return;
    event.preventDefault();
  };

  const blocks: JSX.Element[] = [];
  for (let begin = 0; begin < tokens.length; begin += blockTokens) {
    const end = Math.min(tokens.length, begin + blockTokens);
    const within = (index: number | null): number | null =>
      index !== null && index >= begin && index < end ? index : null;
    blocks.push(
      <TokenBlock
        key={begin}
        tokens={tokens}
        begin={begin}
        end={end}
        cursor={within(cursor)}
        open={within(openIndex)}
      />,
    );
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of words in a text is no fieldset
    <div
      class="tokens"
      role="group"
      aria-label="Written tokens; arrow keys move, Enter opens one"
      ref={place}
      onClick={(event) => openAt(event.target)}
      onKeyDown={onKeyDown}
    >
      {blocks}
      {generation.isRunning && <span class="caret" />}
    </div>
  );
}

interface BlockProps {
  readonly tokens: readonly Token[];
  readonly begin: number;
  readonly end: number;
  readonly cursor: number | null;
  readonly open: number | null;
}

class TokenBlock extends Component<BlockProps> {
  override shouldComponentUpdate(next: Readonly<BlockProps>): boolean {
    const { tokens, end, cursor, open } = this.props;
    return next.tokens !== tokens || next.end !== end || next.cursor !== cursor || next.open !== open;
  }

  override render(): JSX.Element {
    const { tokens, begin, end, cursor, open } = this.props;
    const drawn = tokens.slice(begin, end).map((token, i) => {
      const index = begin + i;
      return (
        // biome-ignore lint/a11y/useSemanticElements: a button element does not break across lines
        <span
          key={index}
          class={classOf(token)}
          role="button"
          data-i={index}
          tabIndex={index === cursor ? 0 : -1}
          aria-pressed={index === open}
          aria-label={token.text.trim() === "" ? visible(token.text) : undefined}
        >
          {token.text === "" ? "·" : token.text}
        </span>
      );
    });
    return <>{drawn}</>;
  }
}

/** From sure to unsure, five shades. */
export function sureness(logprob: number | null): 0 | 1 | 2 | 3 | 4 {
  if (logprob === null) return 0;
  const probability = Math.exp(logprob);
  if (probability >= 0.85) return 0;
  if (probability >= 0.6) return 1;
  if (probability >= 0.35) return 2;
  return probability >= 0.12 ? 3 : 4;
}

function classOf({ logprob, isDrafted, text }: Token): string {
  return `t s${sureness(logprob)}${isDrafted ? " drafted" : ""}${text === "" ? " held" : ""}`;
}

const marks: Readonly<Record<string, string>> = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍" };

/** White space at its ends made visible. */
export function visible(text: string): string {
  if (text === "") return "∅";
  return text.replace(/^\s+|\s+$|[\n\r\t]/g, (spaces) => [...spaces].map((space) => marks[space] ?? space).join(""));
}
