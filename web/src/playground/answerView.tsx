/** One answer: its text or its tokens, what can be done with it, and how fast it came. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Generation } from "./generation.js";
import { Markdown } from "./markdownView.js";
import type { Session } from "./session.js";
import { TokenText } from "./tokenText.js";

export function AnswerView(props: {
  readonly session: Session;
  readonly generation: Generation;
  readonly isLast: boolean;
  readonly isMarkdown: boolean;
}): JSX.Element {
  const { session, generation, isLast, isMarkdown } = props;
  const { answer, status } = generation;
  return (
    <div class="answer" aria-busy={generation.isRunning}>
      {answer.reasoning !== "" && session.view === "text" && (
        <details class="reasoning">
          <summary>Reasoning</summary>
          <p class="plain-text">{answer.reasoning}</p>
        </details>
      )}
      {status === "waiting" ? (
        <p class="waiting">
          <span class="hidden">Waiting for the first token</span>
          <i />
          <i />
          <i />
        </p>
      ) : session.view === "tokens" ? (
        <TokenText session={session} generation={generation} />
      ) : isMarkdown ? (
        <Markdown text={answer.text} />
      ) : (
        <p class="plain-text">{answer.text}</p>
      )}
      <AnswerFoot session={session} generation={generation} isLast={isLast} />
    </div>
  );
}

export function AnswerFoot(props: {
  readonly session: Session;
  readonly generation: Generation;
  readonly isLast: boolean;
}): JSX.Element {
  const { session, generation, isLast } = props;
  const { answer, isRunning, error } = generation;
  return (
    <>
      {error !== null && (
        <p class="problem" role="alert">
          {error}
        </p>
      )}
      <div class="answer-foot">
        <Figures generation={generation} />
        {generation.answers.length > 1 && <Turner session={session} generation={generation} />}
        {!isRunning && (
          <div class="row actions">
            {isLast && session.mode !== "chat" && answer.text !== "" && (
              <button type="button" class="plain" onClick={() => session.keep()}>
                Keep
              </button>
            )}
            {isLast && (
              <button type="button" class="plain" onClick={() => session.regenerate()}>
                Regenerate
              </button>
            )}
            <CopyButton text={answer.text} />
          </div>
        )}
      </div>
    </>
  );
}

/** Turns the pages of several answers. */
function Turner({ session, generation }: { readonly session: Session; readonly generation: Generation }): JSX.Element {
  const { shown, answers } = generation;
  return (
    <fieldset class="turner">
      <legend class="hidden">Answers</legend>
      <button
        type="button"
        class="plain"
        aria-label="Answer before"
        disabled={shown === 0}
        onClick={() => session.show(generation, shown - 1)}
      >
        &lsaquo;
      </button>
      <span aria-live="polite">
        {shown + 1} of {answers.length}
      </span>
      <button
        type="button"
        class="plain"
        aria-label="Answer after"
        disabled={shown === answers.length - 1}
        onClick={() => session.show(generation, shown + 1)}
      >
        &rsaquo;
      </button>
    </fieldset>
  );
}

function CopyButton({ text }: { readonly text: string }): JSX.Element {
  const [state, setState] = useState<"idle" | "copied" | "refused">("idle");
  const copy = (): void => {
    const show = (next: typeof state) => (): void => {
      setState(next);
      setTimeout(() => setState("idle"), 1500);
    };
    // A page that came without TLS from another machine has no clipboard.
    const written = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"));
    written.then(show("copied"), show("refused"));
  };
  return (
    <button type="button" class="plain" onClick={copy} disabled={text === ""}>
      <span aria-live="polite">{{ idle: "Copy", copied: "Copied", refused: "Not allowed" }[state]}</span>
    </button>
  );
}

const finishes: Readonly<Record<string, string>> = {
  length: "cut at max tokens",
  abort: "aborted",
  error: "ended by an error",
};

/** Speed and counts; each is left out until it is known. */
function Figures({ generation }: { readonly generation: Generation }): JSX.Element {
  const { answer, tokensPerSecond, firstTokenMs, draftedShare, numTokens, status, seed, isShortOfRoom } = generation;
  const { usage, finishReason } = answer;
  const figures: (readonly [value: string, name: string])[] = [];
  if (tokensPerSecond !== null) figures.push([tokensPerSecond.toFixed(1), "tokens/s"]);
  if (firstTokenMs !== null) figures.push([duration(firstTokenMs), "to the first token"]);
  if (numTokens > 0) figures.push([String(numTokens), numTokens === 1 ? "token" : "tokens"]);
  if (usage) {
    figures.push([`${usage.cachedTokens} of ${usage.promptTokens}`, "prompt tokens cached"]);
  }
  if (draftedShare !== null && draftedShare > 0)
    figures.push([`${Math.round(100 * draftedShare)} %`, "drafted by MTP"]);
  if (!generation.isRunning) figures.push([String(seed), "seed"]);
  const ended =
    status === "stopped"
      ? "stopped"
      : finishReason === "length" && isShortOfRoom
        ? "no positions left"
        : (finishes[finishReason ?? ""] ?? null);
  return (
    <ul class="figures">
      {figures.map(([value, name]) => (
        <li key={name}>
          <b>{value}</b> {name}
        </li>
      ))}
      {ended !== null && <li>{ended}</li>}
    </ul>
  );
}

export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
