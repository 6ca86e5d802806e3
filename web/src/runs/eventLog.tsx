/** The events as they come, newest first. It is no live region: a run speaks many times a second. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FollowState } from "./followRun.js";
import type { LogLine } from "./runData.js";

const shownLines = 60;

export function EventLog({ state }: { readonly state: FollowState }): JSX.Element {
  const [held, hold] = useState<readonly LogLine[] | null>(null);
  const [hasSteps, setHasSteps] = useState(true);
  const lines = (held ?? state.data.log).filter(({ kind }) => hasSteps || kind !== "step");
  return (
    <section aria-labelledby="events-title">
      <div class="section-head">
        <h2 id="events-title">Events</h2>
        <label class="check">
          <input type="checkbox" checked={hasSteps} onChange={(event) => setHasSteps(event.currentTarget.checked)} />
          every step
        </label>
        <button type="button" class="plain" onClick={() => hold(held ? null : [...state.data.log])}>
          {held ? "Go on" : "Pause"}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must get in */}
      <ol class="event-log card" tabIndex={0} aria-label="Events, newest first">
        {lines
          .slice(-shownLines)
          .reverse()
          .map(({ id, kind, step, text }) => (
            <li key={id}>
              <span class="event-step">{step ?? ""}</span>
              <span class={kind === "step" ? "event-kind" : "event-kind rare"}>{kind}</span>
              <span class="event-text">{text}</span>
            </li>
          ))}
      </ol>
    </section>
  );
}
