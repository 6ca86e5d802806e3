/** Fields of the settings: a number with its slider, and lines of text. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Session } from "./session.js";
import type { Settings } from "./settings.js";

export interface NumberField {
  readonly key:
    | "temperature"
    | "topP"
    | "topK"
    | "minP"
    | "repetitionPenalty"
    | "frequencyPenalty"
    | "presencePenalty"
    | "maxTokens"
    | "choices"
    | "minTokens"
    | "alternatives"
    | "priority";
  readonly name: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export function Slider({ field, session }: { readonly field: NumberField; readonly session: Session }): JSX.Element {
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
export function NumberInput({ value, onNumber, ...more }: NumberInputProps): JSX.Element {
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

/** Several lines, with a word on their form. */
export function TextField(props: {
  readonly session: Session;
  readonly name: "stop" | "stopTokens" | "logitBias" | "texts" | "cacheSalt";
  readonly label: string;
  readonly hint: string;
  readonly placeholder?: string;
  readonly rows?: number;
}): JSX.Element {
  const { session, name, label, hint, placeholder, rows = 2 } = props;
  const id = `set-${name}`;
  const common = { id, spellcheck: false, value: session.settings[name], placeholder };
  const set = (value: string): void => session.set({ [name]: value });
  return (
    <label class="text-field" for={id}>
      <span>
        {label} <small>{hint}</small>
      </span>
      {rows > 1 ? (
        <textarea {...common} rows={rows} onInput={(event) => set(event.currentTarget.value)} />
      ) : (
        <input {...common} type="text" onInput={(event) => set(event.currentTarget.value)} />
      )}
    </label>
  );
}
