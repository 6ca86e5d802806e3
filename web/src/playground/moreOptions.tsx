/** What is seldom set: how many answers, when they may end, which tokens are favoured, and what the server makes of the request. */
import type { JSX } from "preact";
import type { Session } from "./session.js";
import { type NumberField, Slider, TextField } from "./settingFields.js";

const numbers: readonly NumberField[] = [
  {
    key: "choices",
    name: "Answers",
    hint: "Written at once to one question, each with the next seed",
    min: 1,
    max: 32,
    step: 1,
  },
  { key: "minTokens", name: "Min tokens", hint: "No end before this many tokens", min: 0, max: 256, step: 1 },
  {
    key: "alternatives",
    name: "Alternatives",
    hint: "Likeliest tokens to show beside each that is written",
    min: 0,
    max: 20,
    step: 1,
  },
];

const priority: NumberField = {
  key: "priority",
  name: "Priority",
  hint: "The higher goes first where requests wait",
  min: -1000,
  max: 1000,
  step: 1,
};

export function MoreOptions({ session }: { readonly session: Session }): JSX.Element {
  const { ignoreEos } = session.settings;
  return (
    <details class="more">
      <summary>More options</summary>
      <div class="more-body">
        {numbers.map((field) => (
          <Slider key={field.key} field={field} session={session} />
        ))}
        <label class="check">
          <input
            type="checkbox"
            checked={ignoreEos}
            onChange={(event) => session.set({ ignoreEos: event.currentTarget.checked })}
          />
          Write on after the end of the text
        </label>
        <TextField
          session={session}
          name="stopTokens"
          label="Stop tokens"
          hint="ids, between commas"
          placeholder="1, 13"
          rows={1}
        />
        <TextField
          session={session}
          name="logitBias"
          label="Logit bias"
          hint="an id and what is added, one a line"
          placeholder="42: -100"
        />
        <Slider field={priority} session={session} />
        <TextField
          session={session}
          name="cacheSalt"
          label="Cache salt"
          hint="shares cached prompts with the same salt alone"
          rows={1}
        />
      </div>
    </details>
  );
}
