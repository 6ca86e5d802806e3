/** The same checkpoint in this process, with nothing between the model and whoever counts the seconds: what a server is held against. */
import { openCheckpoint } from "../../checkpoint/openCheckpoint.js";
import { decode, prefill, SequenceCache } from "../../generate/forward.js";
import { argMax } from "../../generate/sampler.js";
import type { ComputeDtype, QuantDtype } from "../../tensor/dtype.js";

export interface InProcessTimes {
  /** From the prompt to the first token. */
  readonly firstSeconds: number;
  /** From each token to the next, a mean. */
  readonly nextSeconds: number;
}

export interface InProcess {
  /** Writes `tokens` greedily, two at least, whatever the end-of-text token says. */
  run(prompt: readonly number[], tokens: number): Promise<InProcessTimes>;
  free(): void;
}

export interface InProcessOptions {
  /** Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype | undefined;
  /** Default: as the files hold them. */
  readonly weights?: QuantDtype | undefined;
}

/** Opens a checkpoint as `fathom serve` does, its weights mapped. @throws RangeError for files that do not fit together */
export function openInProcess(directory: string, options: InProcessOptions): InProcess {
  const { model } = openCheckpoint(directory, options);
  return {
    run: async (prompt, tokens) => {
      using cache = new SequenceCache(model, prompt.length + tokens);
      const begun = performance.now();
      let id = argMax(await prefill(model, cache, prompt));
      const first = performance.now();
      for (let i = 1; i < tokens; i++) id = argMax(await decode(model, cache, id));
      const nextSeconds = (performance.now() - first) / 1000 / (tokens - 1);
      return { firstSeconds: (first - begun) / 1000, nextSeconds };
    },
    free: () => model.free(),
  };
}
