/** The flags of `fathom eval --model`, and the values that are texts on the command line. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PromptSettings } from "../eval/harness/prompt.js";
import { generationOfKeys, generationSchema } from "../eval/harness/taskSchema.js";
import type { GenerationKwargs } from "../eval/taskFile.js";
import { isObject } from "../files/json.js";
import type { EngineFlags } from "./engine.js";

export interface EvalFlags extends EngineFlags {
  readonly model?: string;
  readonly tasks?: string;
  readonly numFewshot?: number;
  readonly limit?: number;
  readonly samples?: string;
  readonly seed?: number;
  readonly outputPath?: string;
  readonly logSamples?: boolean;
  readonly predictOnly?: boolean;
  readonly writeOut?: boolean;
  /** False: --no-use-cache; true: neither was given. */
  readonly useCache?: string | boolean;
  readonly genKwargs?: string;
  readonly applyChatTemplate?: boolean;
  readonly fewshotAsMultiturn?: boolean;
  readonly systemInstruction?: string;
  readonly thinkEnd?: string;
  readonly dataDir?: string;
  readonly includePath?: readonly string[];
  readonly heldOut?: string;
  readonly metadata?: string;
  readonly bootstrapIters?: number;
  readonly confirmRunUnsafeCode?: boolean;
  readonly endpointModel?: string;
  readonly concurrency?: number;
  readonly judge?: string;
  readonly judgeModel?: string;
}

export function promptsOf(flags: EvalFlags): PromptSettings {
  return {
    chat: flags.applyChatTemplate ? { shotsAsTurns: flags.fewshotAsMultiturn ?? false } : null,
    systemInstruction: flags.systemInstruction ?? null,
  };
}

/** Where answers are kept; null: nowhere. @param folder of the results, if they are written */
export function cacheOf({ useCache }: EvalFlags, folder: string | null): string | null {
  if (typeof useCache === "string") return useCache;
  return useCache === false || folder === null ? null : join(folder, "answers.jsonl");
}

/** --gen-kwargs; null: not given. @throws RangeError naming the key */
export function genKwargsOf(text: string | undefined): GenerationKwargs | null {
  if (text === undefined) return null;
  const value = text.trim().startsWith("{")
    ? jsonObject("--gen-kwargs", text)
    : Object.fromEntries(
        text.split(",").map((pair) => {
          const [key = "", ...rest] = pair.split("=");
          if (rest.length === 0) throw new RangeError(`--gen-kwargs: expected name=value, got ${JSON.stringify(pair)}`);
          return [key.trim(), scalar(rest.join("="))];
        }),
      );
  const result = generationSchema.safeParse(value);
  if (result.success) return generationOfKeys(result.data);
  const [issue] = result.error.issues;
  throw new RangeError(`--gen-kwargs: ${[issue?.path.join("."), issue?.message].filter(Boolean).join(": ")}`);
}

function scalar(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** --samples; null: not given. */
export function samplesOf(given: string | undefined): Record<string, number[]> | null {
  const text = given !== undefined && existsSync(given) ? readFileSync(given, "utf8") : given;
  const value = jsonObject("--samples", text);
  if (value === null) return null;
  for (const [task, ids] of Object.entries(value)) {
    if (!Array.isArray(ids) || ids.length === 0) {
      throw new RangeError(`--samples: ${task}: expected a list of documents' numbers, got ${JSON.stringify(ids)}`);
    }
  }
  return value as Record<string, number[]>;
}

/** Null: not given. @throws RangeError naming the flag */
export function jsonObject(flag: string, text: string | undefined): Record<string, unknown> | null {
  if (text === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${flag}: not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isObject(value)) return value;
  throw new RangeError(`${flag}: expected a JSON object, got ${text}`);
}
