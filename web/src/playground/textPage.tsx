/** Completion and fill in the middle: one text, of which a part is given and a part is written. */
import type { JSX } from "preact";
import { AnswerFoot } from "./answerView.js";
import type { Session } from "./session.js";
import { TokenText } from "./tokenText.js";

export function TextPage({ session }: { readonly session: Session }): JSX.Element {
  const isFim = session.mode === "fim";
  const generation = session.current;
  const isRunning = generation?.isRunning ?? false;
  const sendOnCtrlEnter = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      session.send();
    }
  };
  return (
    <div class="text-page">
      <form
        class="given"
        onSubmit={(event) => {
          event.preventDefault();
          session.send();
        }}
        onKeyDown={sendOnCtrlEnter}
      >
        {isFim ? (
          <>
            <Field
              label="Before the gap"
              rows={6}
              value={session.fimPrefix}
              onInput={(fimPrefix) => session.change({ fimPrefix })}
            />
            <Field
              label="After the gap"
              rows={4}
              value={session.fimSuffix}
              onInput={(fimSuffix) => session.change({ fimSuffix })}
            />
          </>
        ) : (
          <Field
            label="Text to go on from"
            rows={8}
            value={session.completionPrompt}
            onInput={(completionPrompt) => session.change({ completionPrompt })}
          />
        )}
        {session.problem !== null && (
          <p class="problem" role="alert">
            {session.problem}
          </p>
        )}
        <div class="row between composer-foot">
          <span class="hint">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd> writes
          </span>
          {isRunning ? (
            <button type="button" class="primary" onClick={() => session.stop()}>
              Stop
            </button>
          ) : (
            <button type="submit" class="primary" disabled={!session.canSend}>
              {isFim ? "Fill in" : "Complete"}
            </button>
          )}
        </div>
      </form>
      {generation && (
        <section class="written" aria-label="Result" aria-busy={isRunning}>
          <div class="written-text">
            <span class="given-text">{isFim ? session.fimPrefix : session.completionPrompt}</span>
            {session.view === "tokens" ? (
              <TokenText session={session} generation={generation} />
            ) : (
              <mark>{generation.answer.text}</mark>
            )}
            {isRunning && <span class="caret" />}
            {isFim && <span class="given-text">{session.fimSuffix}</span>}
          </div>
          <AnswerFoot session={session} generation={generation} isLast />
        </section>
      )}
    </div>
  );
}

function Field(props: {
  readonly label: string;
  readonly rows: number;
  readonly value: string;
  readonly onInput: (value: string) => void;
}): JSX.Element {
  const { label, rows, value, onInput } = props;
  return (
    <label class="text-field">
      <span>{label}</span>
      <textarea rows={rows} spellcheck={false} value={value} onInput={(event) => onInput(event.currentTarget.value)} />
    </label>
  );
}
