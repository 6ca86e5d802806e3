/** What the model wrote along the way, beside what the held-out text really says. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { SampleEvent } from "../../../src/train/events.js";

export function Samples({ samples }: { readonly samples: readonly SampleEvent[] }): JSX.Element | null {
  const steps = [...new Set(samples.map(({ step }) => step))];
  const [picked, pick] = useState<number | null>(null);
  const shown = picked !== null && steps.includes(picked) ? picked : steps.at(-1);
  if (shown === undefined) return null;
  const index = steps.indexOf(shown);
  return (
    <section aria-labelledby="samples-title">
      <div class="section-head">
        <h2 id="samples-title">What it writes</h2>
        {steps.length > 1 && (
          <label class="check">
            after step {shown}
            <input
              type="range"
              min={0}
              max={steps.length - 1}
              value={index}
              aria-valuetext={`step ${shown}`}
              onInput={(event) => {
                const next = Number(event.currentTarget.value);
                pick(next === steps.length - 1 ? null : (steps[next] ?? null));
              }}
            />
          </label>
        )}
      </div>
      <div class="samples">
        {samples
          .filter(({ step }) => step === shown)
          .map((sample, i) => (
            <Sample key={i} sample={sample} />
          ))}
      </div>
    </section>
  );
}

function Sample({ sample: { prompt, suffix, text, truth } }: { readonly sample: SampleEvent }): JSX.Element {
  return (
    <article class="sample card">
      <h3>{suffix === null ? "Completion" : "Fill in the middle"}</h3>
      <div class="pair">
        <div>
          <h4>the model</h4>
          <pre>
            <span class="given-text">{prompt}</span>
            <mark>{text}</mark>
            <span class="given-text">{suffix ?? ""}</span>
          </pre>
        </div>
        <div>
          <h4>the file</h4>
          <pre>
            <span class="given-text">{prompt}</span>
            <ins>{truth}</ins>
            <span class="given-text">{suffix ?? ""}</span>
          </pre>
        </div>
      </div>
    </article>
  );
}
