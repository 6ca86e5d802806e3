/** Worker thread in which a user's rewards run: loads the file, says what it exports, and answers calls. */
import { register } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { RewardSample } from "./reward.js";

export interface RewardWorkerSetup {
  readonly fileUrl: string;
  /** Of the module hooks and the compiler; null where Node reads the file by itself. */
  readonly typescript: { readonly hooksUrl: string; readonly typescriptUrl: string } | null;
}

export interface RewardCall {
  readonly exportName: string;
  readonly samples: readonly RewardSample[];
}

export type RewardWorkerMessage =
  | { readonly exports: readonly string[]; readonly options: unknown }
  | { readonly failed: string }
  | { readonly scores: unknown }
  | { readonly error: string };

if (parentPort === null) throw new Error("internal: rewardWorker outside a worker thread");
const port = parentPort;
const { fileUrl, typescript } = workerData as RewardWorkerSetup;
const say = (message: RewardWorkerMessage): void => port.postMessage(message);

try {
  if (typescript !== null) register(typescript.hooksUrl, { data: { typescriptUrl: typescript.typescriptUrl } });
  const module = (await import(fileUrl)) as Readonly<Record<string, unknown>>;
  const functions = Object.keys(module).filter((name) => typeof module[name] === "function");
  port.on("message", (call: RewardCall) => void answer(module, call));
  say({ exports: functions, options: structuredClone(module.options ?? {}) });
} catch (error) {
  say({ failed: textOf(error) });
}

async function answer(module: Readonly<Record<string, unknown>>, { exportName, samples }: RewardCall): Promise<void> {
  try {
    const score = module[exportName] as (samples: readonly RewardSample[]) => unknown;
    say({ scores: await score(samples) });
  } catch (error) {
    say({ error: textOf(error) });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
}
