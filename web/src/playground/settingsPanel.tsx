/** All that can be set, most used first. Open beside the text where there is room, folded above it where there is none. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Session } from "./session.js";
import { defaults, type ResponseFormat, type Settings } from "./settings.js";

interface NumberField {
  readonly key:
    | "temperature"
    | "topP"
    | "topK"
    | "minP"
    | "repetitionPenalty"
    | "frequencyPenalty"
    | "presencePenalty"
    | "maxTokens";
  readonly name: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

const mainFields: readonly NumberField[] = [
  { key: "temperature", name: "Temperature", hint: "0 always takes the likeliest token", min: 0, max: 2, step: 0.05 },
  {
    key: "topP",
    name: "Top p",
    hint: "Smallest set of tokens that is this likely together; 1 is all",
    min: 0.05,
    max: 1,
    step: 0.01,
  },
  { key: "maxTokens", name: "Max tokens", hint: "Most tokens to write", min: 1, max: 4096, step: 1 },
];

const moreFields: readonly NumberField[] = [
  { key: "topK", name: "Top k", hint: "Likeliest tokens to choose from; 0 is all", min: 0, max: 200, step: 1 },
  {
    key: "minP",
    name: "Min p",
    hint: "Leaves out tokens less likely than this share of the likeliest",
    min: 0,
    max: 1,
    step: 0.01,
  },
  {
    key: "repetitionPenalty",
    name: "Repetition penalty",
    hint: "Divides logits of tokens already there; 1 is off",
    min: 0.5,
    max: 2,
    step: 0.01,
  },
  {
    key: "frequencyPenalty",
    name: "Frequency penalty",
    hint: "Off a token's logit for each time it was written",
    min: -2,
    max: 2,
    step: 0.05,
  },
  {
    key: "presencePenalty",
    name: "Presence penalty",
    hint: "Off the logit of each token that was written",
    min: -2,
    max: 2,
    step: 0.05,
  },
];

const formats: readonly (readonly [ResponseFormat, string])[] = [
  ["text", "Any text"],
  ["json", "JSON"],
  ["schema", "JSON of a schema"],
  ["regex", "Regular expression"],
];

export function SettingsPanel({ session }: { readonly session: Session }): JSX.Element {
  const { settings } = session;
  const [isOpen] = useState(() => matchMedia("(min-width: 1000px)").matches);
  const isUsual = JSON.stringify(settings) === JSON.stringify(defaults);
  return (
    <details class="settings card" open={isOpen}>
      <summary>
        <h2>Settings</h2>
        <span class="settings-short">
          temperature {settings.temperature}, {settings.maxTokens} tokens
        </span>
      </summary>
      <div class="settings-body">
        {session.mode === "chat" && (
          <label class="text-field">
            <span>System prompt</span>
            <textarea
              rows={2}
              value={settings.systemPrompt}
              onInput={(event) => session.set({ systemPrompt: event.currentTarget.value })}
            />
          </label>
        )}
        {mainFields.map((field) => (
          <Slider key={field.key} field={field} session={session} />
        ))}
        <Seed session={session} />
        <details class="more">
          <summary>More sampling</summary>
          {moreFields.map((field) => (
            <Slider key={field.key} field={field} session={session} />
          ))}
        </details>
        <label class="text-field">
          <span>
            Stop at <small>one text a line; \n is a line break</small>
          </span>
          <textarea
            rows={2}
            spellcheck={false}
            value={settings.stop}
            onInput={(event) => session.set({ stop: event.currentTarget.value })}
          />
        </label>
        <Format session={session} />
        {!isUsual && (
          <button type="button" class="plain" onClick={() => session.set(defaults)}>
            Back to the defaults
          </button>
        )}
      </div>
    </details>
  );
}

function Slider({ field, session }: { readonly field: NumberField; readonly session: Session }): JSX.Element {
  const { key, name, hint, min, max, step } = field;
  const value = session.settings[key];
  const set = (text: string): void => {
    const given = Number(text);
    if (text === "" || !Number.isFinite(given)) return;
    session.set({ [key]: Math.max(min, step === 1 ? Math.round(given) : given) } as Partial<Settings>);
  };
  return (
    <div class="slider" title={hint}>
      <label for={`set-${key}`}>{name}</label>
      <NumberInput
        id={`set-${key}`}
        {...{ min, step }}
        value={String(value)}
        aria-describedby={`hint-${key}`}
        onNumber={set}
      />
      <input
        type="range"
        tabIndex={-1}
        aria-hidden="true"
        {...{ min, max, step }}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
      <span class="hidden" id={`hint-${key}`}>
        {hint}
      </span>
    </div>
  );
}

interface NumberInputProps {
  readonly id: string;
  readonly class?: string;
  readonly min: number;
  readonly step: number;
  readonly placeholder?: string;
  readonly value: string;
  readonly "aria-describedby"?: string;
  readonly onNumber: (text: string) => void;
}

/** A number counts when it is finished; until then the page may be drawn anew, as it is for every token, and what is being typed stays. */
function NumberInput({ value, onNumber, ...more }: NumberInputProps): JSX.Element {
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <input
      {...more}
      type="number"
      value={typed ?? value}
      onInput={(event) => setTyped(event.currentTarget.value)}
      onChange={(event) => {
        onNumber(event.currentTarget.value);
        setTyped(null);
      }}
    />
  );
}

function Seed({ session }: { readonly session: Session }): JSX.Element {
  const { seed } = session.settings;
  return (
    <div class="slider" title="The same seed writes the same text">
      <label for="set-seed">Seed</label>
      <NumberInput
        id="set-seed"
        class="wide"
        min={0}
        step={1}
        placeholder="random"
        value={String(seed ?? "")}
        onNumber={(text) => {
          const given = Math.round(Number(text));
          session.set({ seed: text === "" || !Number.isSafeInteger(given) || given < 0 ? null : given });
        }}
      />
    </div>
  );
}

function Format({ session }: { readonly session: Session }): JSX.Element {
  const { format, schema, regex } = session.settings;
  return (
    <>
      <div class="slider">
        <label for="set-format">Answer in</label>
        <select
          id="set-format"
          value={format}
          onChange={(event) => session.set({ format: event.currentTarget.value as ResponseFormat })}
        >
          {formats.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {format === "schema" && (
        <label class="text-field code">
          <span>JSON schema</span>
          <textarea
            rows={6}
            spellcheck={false}
            value={schema}
            onInput={(event) => session.set({ schema: event.currentTarget.value })}
          />
        </label>
      )}
      {format === "regex" && (
        <label class="text-field code">
          <span>Regular expression</span>
          <input
            type="text"
            spellcheck={false}
            value={regex}
            placeholder="(yes|no)"
            onInput={(event) => session.set({ regex: event.currentTarget.value })}
          />
        </label>
      )}
    </>
  );
}
