/** The playground: what is asked, what the model writes, and beside them the settings or the token that is open. */
import type { JSX } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { ModelCard } from "../../../src/serve/modelCard.js";
import { getJson } from "../api.js";
import { AnswerView } from "./answerView.js";
import type { Session } from "./session.js";
import type { Mode } from "./settings.js";
import { SettingsPanel } from "./settingsPanel.js";
import { TextPage } from "./textPage.js";
import { TokenInspector } from "./tokenInspector.js";

const modes: readonly (readonly [mode: Mode, name: string, hint: string])[] = [
  ["chat", "Chat", "Turns of a conversation, in the model's chat template"],
  ["completion", "Completion", "The model writes on from your text"],
  ["fim", "Fill in the middle", "The model writes what stands between two texts"],
];

export function Playground({ session }: { readonly session: Session }): JSX.Element {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => session.subscribe(() => redraw(undefined)), [session]);
  const card = useCard(session.model);
  useEffect(() => {
    if (card) session.suggest(card.isForChats ? "chat" : "completion");
  }, [card, session]);
  const { open } = session;
  return (
    <div class={`playground${open ? " has-open" : ""}`}>
      <h1 class="hidden">Playground</h1>
      <div class="stage">
        <div class="stage-head">
          <fieldset class="segments">
            <legend class="hidden">Mode</legend>
            {modes.map(([mode, name, hint]) => (
              <label key={mode} title={hint}>
                {/* A click on the mode that is chosen already is a choice too; arrow keys click as well. */}
                <input type="radio" name="mode" checked={session.mode === mode} onClick={() => session.choose(mode)} />
                <span>{name}</span>
              </label>
            ))}
          </fieldset>
          <fieldset class="segments quiet">
            <legend class="hidden">Show answers as</legend>
            {(["tokens", "text"] as const).map((view) => (
              <label key={view}>
                <input
                  type="radio"
                  name="view"
                  checked={session.view === view}
                  onChange={() => session.change({ view })}
                />
                <span>{view === "tokens" ? "Tokens" : "Text"}</span>
              </label>
            ))}
          </fieldset>
        </div>
        {session.view === "tokens" && session.current && <Legend />}
        {session.mode === "chat" ? (
          <Chat session={session} isForChats={card?.isForChats ?? true} />
        ) : (
          <TextPage session={session} />
        )}
        <Announcer session={session} />
      </div>
      <aside class="side">
        {open && session.openToken && (
          <TokenInspector session={session} open={open} token={session.openToken} card={card} />
        )}
        <SettingsPanel session={session} />
      </aside>
    </div>
  );
}

function Chat({ session, isForChats }: { readonly session: Session; readonly isForChats: boolean }): JSX.Element {
  const { turns, chatInput, problem } = session;
  const isRunning = session.current?.isRunning ?? false;
  useFollowEnd(turns.at(-1)?.generation.answer.tokens.length ?? 0, turns.length);
  return (
    <>
      <section class="turns" aria-label="Conversation">
        {turns.length === 0 && <Empty model={session.model} isForChats={isForChats} />}
        {turns.map(({ user, generation }, i) => (
          <article key={i} class="turn">
            <p class="said">
              <span class="hidden">You: </span>
              {user}
            </p>
            <AnswerView session={session} generation={generation} isLast={i === turns.length - 1} isMarkdown />
          </article>
        ))}
      </section>
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          session.send();
        }}
      >
        {problem !== null && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="composer-box">
          <GrowingText
            label="Message"
            placeholder="Write a message"
            value={chatInput}
            onInput={(value) => session.change({ chatInput: value })}
            onSend={() => session.send()}
          />
          {isRunning ? (
            <button type="button" class="primary" onClick={() => session.stop()}>
              Stop
            </button>
          ) : (
            <button type="submit" class="primary" disabled={!session.canSend}>
              Send
            </button>
          )}
        </div>
        <div class="row between composer-foot">
          <span class="hint">
            <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a new line
          </span>
          {turns.length > 0 && (
            <button type="button" class="plain" onClick={() => session.clear()}>
              New conversation
            </button>
          )}
        </div>
      </form>
    </>
  );
}

function Legend(): JSX.Element {
  return (
    <p class="token-legend">
      <span>
        {[1, 2, 3, 4].map((shade) => (
          <i key={shade} class={`t s${shade}`} />
        ))}{" "}
        less and less sure
      </span>
      <span>
        <span class="t drafted">underlined</span>: drafted by MTP, accepted
      </span>
    </p>
  );
}

function Empty({ model, isForChats }: { readonly model: string | null; readonly isForChats: boolean }): JSX.Element {
  return (
    <div class="empty-stage">
      <p class="empty-title">{model === null ? "No model yet" : `Talk to ${model}`}</p>
      <p>
        Every token it writes can be opened: what else it might have been, which experts it went through, and whether
        the model's own draft was right.
      </p>
      {!isForChats && <p>It was trained to go on with text and not on conversations: expect no answers.</p>}
    </div>
  );
}

/** A text field as high as its text, up to a limit of the style sheet. */
export function GrowingText(props: {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly onSend: () => void;
}): JSX.Element {
  const { label, placeholder, value, onInput, onSend } = props;
  return (
    <textarea
      rows={1}
      aria-label={label}
      placeholder={placeholder}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        onSend();
      }}
    />
  );
}

/** Stays at the end while the reader is there, and goes there with a new turn. */
function useFollowEnd(length: number, turns: number): void {
  const before = useRef(turns);
  useEffect(() => {
    const isNew = turns > before.current;
    before.current = turns;
    const page = document.documentElement;
    const isAtEnd = page.scrollHeight - page.scrollTop - page.clientHeight < 140;
    if (turns > 0 && length >= 0 && (isNew || isAtEnd)) page.scrollTop = page.scrollHeight;
  }, [length, turns]);
}

const announceMs = 2500;

/** Reads the answer out as it comes, in whole sentences or lines and not too often. */
function Announcer({ session }: { readonly session: Session }): JSX.Element {
  const [said, say] = useState("");
  const told = useRef({ answer: session.current?.answer, length: 0, atMs: 0 });
  const { current } = session;
  useEffect(() => {
    if (!current) return;
    const { answer } = current;
    const isNew = told.current.answer !== answer;
    if (isNew) told.current = { answer, length: 0, atMs: performance.now() };
    const { text } = answer;
    const rest = text.slice(told.current.length);
    if (!current.isRunning) {
      if (told.current.length >= 0 && (rest !== "" || isNew)) {
        say(`${rest} ${current.error ?? (current.status === "stopped" ? "Stopped." : "Finished.")}`);
        told.current.length = text.length;
      }
      return;
    }
    if (performance.now() - told.current.atMs < announceMs) return;
    const whole = rest.slice(0, Math.max(rest.lastIndexOf("\n"), rest.lastIndexOf(". ") + 1, rest.lastIndexOf(" ")));
    if (whole === "") return;
    say(whole);
    told.current.length += whole.length;
    told.current.atMs = performance.now();
  });
  return (
    <p class="hidden" aria-live="polite" data-testid="announcer">
      {said}
    </p>
  );
}

function useCard(model: string | null): ModelCard | null {
  const [card, setCard] = useState<ModelCard | null>(null);
  useEffect(() => {
    setCard(null);
    if (model === null) return;
    const gone = new AbortController();
    getJson<ModelCard>(`/api/models/${model.split("/").map(encodeURIComponent).join("/")}/card`, gone.signal)
      .then(setCard)
      // Layers then bear numbers of their own, which is all that the card adds here.
      .catch(() => undefined);
    return () => gone.abort();
  }, [model]);
  return card;
}
