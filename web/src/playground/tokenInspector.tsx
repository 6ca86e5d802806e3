/** One token opened: what else it might have been, where the router sent it, whether MTP had it first. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ModelCard } from "../../../src/serve/modelCard.js";
import type { Alternative, Token } from "./answer.js";
import type { OpenToken, Session } from "./session.js";
import { visible } from "./tokenText.js";

export function TokenInspector(props: {
  readonly session: Session;
  readonly open: OpenToken;
  readonly token: Token;
  readonly card: ModelCard | null;
}): JSX.Element {
  const { session, open, token, card } = props;
  const place = useRef<HTMLElement>(null);
  const { length } = open.generation.answer.tokens;
  useEffect(() => place.current?.focus(), []);
  // From where the session is: a second press may come before the first one is drawn.
  const go = (by: number): void => {
    const index = (session.open?.index ?? open.index) + by;
    if (index >= 0 && index < length) session.change({ open: { ...open, index } });
  };
  const close = (): void => {
    session.change({ open: null });
    document.querySelector<HTMLElement>(`.tokens [data-i="${open.index}"][aria-pressed="true"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") close();
    else if (event.key === "ArrowLeft") go(-1);
    else if (event.key === "ArrowRight") go(1);
    else return;
    event.preventDefault();
  };
  return (
    <section class="inspector card" ref={place} tabIndex={-1} aria-label="Token" onKeyDown={onKeyDown}>
      <div class="row between">
        <h2>
          Token {open.index + 1} <small>of {length}</small>
        </h2>
        <div class="row tight">
          <IconButton label="Token before" path="M10 3L5 8l5 5" isDisabled={open.index === 0} onClick={() => go(-1)} />
          <IconButton
            label="Token after"
            path="M6 3l5 5l-5 5"
            isDisabled={open.index >= length - 1}
            onClick={() => go(1)}
          />
          <IconButton label="Close" path="M4 4l8 8M12 4l-8 8" isDisabled={false} onClick={close} />
        </div>
      </div>
      <p class="token-head">
        <code>{visible(token.text)}</code>
        {token.id !== null && <span>id {token.id}</span>}
      </p>
      <Drafted isDrafted={token.isDrafted} />
      <Alternatives token={token} />
      <Experts experts={token.experts} card={card} />
    </section>
  );
}

function IconButton(props: {
  readonly label: string;
  readonly path: string;
  readonly isDisabled: boolean;
  readonly onClick: () => void;
}): JSX.Element {
  const { label, path, isDisabled, onClick } = props;
  return (
    <button type="button" class="icon" aria-label={label} title={label} disabled={isDisabled} onClick={onClick}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d={path} />
      </svg>
    </button>
  );
}

function Drafted({ isDrafted }: { readonly isDrafted: boolean | null }): JSX.Element | null {
  if (isDrafted === null) return null;
  return isDrafted ? (
    <p class="draft yes">
      <b>Drafted by MTP, accepted.</b> It came with the step before it.
    </p>
  ) : (
    <p class="draft">Written by the model itself, not drafted.</p>
  );
}

function Alternatives({ token }: { readonly token: Token }): JSX.Element | null {
  if (token.logprob === null) return null;
  const isSame = (one: Alternative): boolean => (token.id !== null ? one.id === token.id : one.text === token.text);
  const listed = token.top.some(isSame)
    ? token.top
    : [...token.top, { id: token.id, text: token.text, logprob: token.logprob }];
  const rest = 1 - listed.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
  return (
    <>
      <h3>What it might have been</h3>
      <ul class="bars">
        {listed.map((one, i) => (
          <Bar key={i} text={visible(one.text)} probability={Math.exp(one.logprob)} isChosen={isSame(one)} />
        ))}
        {rest > 0.0005 && <Bar text="all others" probability={rest} isChosen={false} isRest />}
      </ul>
    </>
  );
}

function Bar(props: {
  readonly text: string;
  readonly probability: number;
  readonly isChosen: boolean;
  readonly isRest?: boolean;
}): JSX.Element {
  const { text, probability, isChosen, isRest = false } = props;
  return (
    <li class={isChosen ? "chosen" : isRest ? "rest" : undefined}>
      <span class="bar-text">
        {text}
        {isChosen && <span class="hidden"> (written)</span>}
      </span>
      <svg class="bar-line" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="bar-ground" width="100" height="6" />
        <rect class="bar-fill" width={Math.max(0.6, 100 * probability)} height="6" />
      </svg>
      <span class="bar-value">{percent(probability)}</span>
    </li>
  );
}

function percent(share: number): string {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

function Experts({ experts, card }: Pick<Token, "experts"> & { readonly card: ModelCard | null }): JSX.Element | null {
  if (experts.length === 0) return null;
  const most = experts.flat().reduce((high, expert) => Math.max(high, expert + 1), 1);
  const total = card?.sizes.nRoutedExperts ?? most;
  const groups = card?.sizes.nGroup ?? 1;
  return (
    <>
      <h3>
        Experts{" "}
        <small>
          {experts[0]?.length} of {total} in each layer
        </small>
      </h3>
      <ul class="experts">
        {experts.map((ids, i) => {
          const layer = card?.moeLayers[i] ?? i;
          const sorted = [...ids].sort((a, b) => a - b);
          return (
            <li key={layer}>
              <span class="experts-layer">
                <span class="experts-word">layer </span>
                {layer}
              </span>
              <ExpertStrip ids={sorted} total={total} groups={groups} />
              <span class="experts-ids">{sorted.join(" ")}</span>
            </li>
          );
        })}
      </ul>
    </>
  );
}

/** A cell an expert, the chosen ones filled; groups stand apart. */
function ExpertStrip(props: {
  readonly ids: readonly number[];
  readonly total: number;
  readonly groups: number;
}): JSX.Element {
  const { ids, total, groups } = props;
  const size = total / Math.max(1, groups);
  const gap = total > 64 ? 3 : 0.6;
  const x = (expert: number): number => expert + Math.floor(expert / size) * gap;
  const width = x(total - 1) + 1;
  const inset = total > 64 ? 0 : 0.08;
  return (
    <svg class="experts-strip" viewBox={`0 0 ${width} 1`} preserveAspectRatio="none" aria-hidden="true">
      {total <= 64
        ? Array.from({ length: total }, (_, expert) => (
            <rect key={expert} class="expert" x={x(expert) + inset} width={1 - 2 * inset} height="1" />
          ))
        : Array.from({ length: groups }, (_, group) => (
            <rect key={group} class="expert" x={x(group * size)} width={size} height="1" />
          ))}
      {ids.map((expert) => (
        <rect
          key={`on${expert}`}
          class="expert on"
          x={x(expert) + inset}
          width={Math.max(1 - 2 * inset, width / 150)}
          height="1"
        />
      ))}
    </svg>
  );
}
