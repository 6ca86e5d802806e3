/** What can be set of a chat's answers: one table for the options of the command, for /set, and for files of conversations. */
import type { Option } from "commander";
import { isObject } from "../files/json.js";
import { integerOption, numberOption } from "./output.js";

export interface ChatSettings {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly maxTokens: number;
  /** Of the first answer; each further one takes the next. */
  readonly seed: number;
}

interface Setting {
  /** As users write it. */
  readonly name: string;
  readonly text: string;
  readonly usual: number;
  readonly least: number;
  readonly most: number;
  readonly isWhole: boolean;
}

const settings: Readonly<Record<keyof ChatSettings, Setting>> = {
  temperature: real("temperature", "0 = always the likeliest token", 0.6, 0, 100),
  topP: real("top-p", "choose among the tokens that make up this probability", 0.95, 1e-9, 1),
  topK: whole("top-k", "choose among the k likeliest; 0 = all", 0, 2 ** 31),
  minP: real("min-p", "leave out tokens less likely than this share of the likeliest", 0, 0, 1),
  repetitionPenalty: real("repetition-penalty", "against tokens of the conversation; 1 = none", 1, 1e-9, 100),
  frequencyPenalty: real("frequency-penalty", "for each time a token was written", 0, -100, 100),
  presencePenalty: real("presence-penalty", "for a token that was written", 0, -100, 100),
  maxTokens: whole("max-tokens", "most tokens of an answer, or as many as there is room for", 1024, 2 ** 24, 1),
  seed: whole("seed", "of the first answer; each further one takes the next", 0, 2 ** 52),
};
const keys = Object.keys(settings) as (keyof ChatSettings)[];

function real(name: string, text: string, usual: number, least: number, most: number): Setting {
  return { name, text, usual, least, most, isWhole: false };
}

function whole(name: string, text: string, usual: number, most: number, least = 0): Setting {
  return { name, text, usual, least, most, isWhole: true };
}

/** The command's options; the value of one that is not given is undefined. */
export function settingOptions(): readonly Option[] {
  return keys.map((key) => {
    const { name, text, usual, least, most, isWhole } = settings[key];
    const option = isWhole ? integerOption : numberOption;
    return option(`--${name} <${isWhole ? "n" : "x"}>`, `${text} (default ${usual})`, least, most);
  });
}

/** Values that are given, and the usual ones for the rest. */
export function settingsOf(given: Partial<ChatSettings>): ChatSettings {
  return Object.fromEntries(keys.map((key) => [key, given[key] ?? settings[key].usual])) as unknown as ChatSettings;
}

/** "temperature 0.7" as a setting. @throws RangeError for a name or a value that is none */
export function parseSetting(name: string, text: string): Partial<ChatSettings> {
  const key = keys.find((each) => settings[each].name === name.replaceAll("_", "-"));
  if (!key) throw new RangeError(`/set: no setting ${name}; expected one of ${names()}`);
  return { [key]: checked(key, text === "" ? null : Number(text), `/set ${name}`, text) };
}

/** Settings from a file, as `ChatSettings` names them. @param where for errors @throws RangeError naming what is wrong */
export function readSettings(value: unknown, where: string): Partial<ChatSettings> {
  if (!isObject(value)) throw new RangeError(`${where}: expected an object, got ${JSON.stringify(value)}`);
  return Object.fromEntries(
    Object.entries(value).map(([name, given]) => {
      const key = keys.find((each) => each === name);
      if (!key) throw new RangeError(`${where}.${name}: no such setting; expected some of ${keys.join(", ")}`);
      return [key, checked(key, given, `${where}.${name}`, JSON.stringify(given))];
    }),
  );
}

/** One line a setting. */
export function describeSettings(values: ChatSettings): string {
  return keys.map((key) => `${settings[key].name} ${values[key]}  (${settings[key].text})`).join("\n");
}

function names(): string {
  return keys.map((key) => settings[key].name).join(", ");
}

function checked(key: keyof ChatSettings, value: unknown, where: string, got: string): number {
  const { least, most, isWhole } = settings[key];
  const isIn = typeof value === "number" && value >= least && value <= most; // also false for NaN
  if (isIn && (!isWhole || Number.isInteger(value))) return value;
  const kind = isWhole ? "a whole number" : "a number";
  throw new RangeError(`${where}: expected ${kind} from ${least} to ${most}, got ${got === "" ? "nothing" : got}`);
}
