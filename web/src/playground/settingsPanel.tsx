/** All that can be set, most used first. Open beside the text where there is room, folded above it where there is none. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { MoreOptions } from "./moreOptions.js";
import type { Session } from "./session.js";
import { type NumberField, NumberInput, Slider, TextField } from "./settingFields.js";
import { defaults, type ResponseFormat } from "./settings.js";

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
  ["choice", "One of these texts"],
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
        <TextField session={session} name="stop" label="Stop at" hint="one text a line; \n is a line break" />
        <MoreOptions session={session} />
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
      {format === "choice" && (
        <TextField session={session} name="texts" label="Texts to choose from" hint="one a line; \n is a line break" />
      )}
    </>
  );
}
