/** What crosses between callers and the engine, which has a thread of its own: plain data in both directions. */
import type { EngineStats, GenerationEvent, GenerationRequest, ModelInfo } from "./request.js";

/** To the engine. Numbers are the caller's. */
export type EngineCall =
  | { readonly type: "add"; readonly id: number; readonly request: GenerationRequest }
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "stats"; readonly id: number }
  | { readonly type: "close" };

/** From the engine. */
export type EngineMessage =
  | { readonly type: "ready"; readonly info: Omit<ModelInfo, "config"> }
  /** It could not be opened; nothing follows. */
  | { readonly type: "failed"; readonly error: Refusal }
  /** What happened since the last message, in order. */
  | { readonly type: "events"; readonly events: readonly (readonly [id: number, event: GenerationEvent])[] }
  | { readonly type: "refused"; readonly id: number; readonly error: Refusal }
  | { readonly type: "stats"; readonly id: number; readonly stats: EngineStats }
  /** The model's files are; the events of the requests that this ended come after it. */
  | { readonly type: "damaged"; readonly damage: string }
  | { readonly type: "closed" };

/** An error as data. */
export interface Refusal {
  readonly message: string;
  readonly isRangeError: boolean;
}

export function refusalOf(error: unknown): Refusal {
  return {
    message: error instanceof Error ? error.message : String(error),
    isRangeError: error instanceof RangeError,
  };
}

export function errorOf({ message, isRangeError }: Refusal): Error {
  return isRangeError ? new RangeError(message) : new Error(message);
}
