/** What `sft`, `grpo`, `dpo` and `reward` do around their work: open the model to begin with, or take up the options of a run that goes on. */
import { readConfig } from "../checkpoint/modelFiles.js";
import { resolveModelDirectory } from "../checkpoint/runDirectory.js";
import { openTokenizer } from "../generate/openTokenizer.js";
import type { ModelConfig } from "../model/config.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { localModel } from "./modelPath.js";
import { inRun, type RunSession } from "./runSession.js";
import type { StageFlags } from "./stageOptions.js";

export interface OpenedBase {
  readonly directory: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
}

/** @param work gets the options with those of the run's beginning where they are not given again */
export async function inStage<F extends StageFlags, T>(
  flags: F,
  stage: string,
  work: (flags: F, base: OpenedBase, session: RunSession) => Promise<T>,
): Promise<T> {
  const options = { run: flags.out, threads: flags.threads ?? null, expertParallel: 1, resume: flags.resume ?? false };
  return inRun(options, async (session) => {
    const { record } = session;
    if (record && record.stage !== stage) {
      throw new RangeError(`${flags.out}: a run of ${record.stage}; ${stage} cannot go on with it`);
    }
    const all = { ...record?.asked, ...flags } as F;
    if (all.model === undefined) throw new RangeError("give the model to begin with: --model PATH");
    const directory = resolveModelDirectory(await localModel(all.model));
    const config = readConfig(directory);
    const tokenizer = openTokenizer(directory, config);
    if (!tokenizer) throw new RangeError(`${directory}: no tokenizer.json: ${stage} needs one`);
    return work(all, { directory, config, tokenizer }, session);
  });
}
