/** What `sft`, `grpo`, `dpo` and `reward` do around their work: open the model to begin with, or take up the options of a run that goes on. */
import { readConfig } from "../checkpoint/modelFiles.js";
import { findModel, tokenizerFolder } from "../checkpoint/modelSource.js";
import { openTokenizer } from "../generate/openTokenizer.js";
import type { ModelConfig } from "../model/config.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { AdapterFlags } from "./adapterOptions.js";
import { localModel } from "./modelPath.js";
import { inRun, type RunSession } from "./runSession.js";
import type { StageFlags } from "./stageOptions.js";

export interface OpenedBase {
  readonly directory: string;
  /** Directory of the adapter that --model names, over `directory`; null: the weights as they are. */
  readonly adapter: string | null;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
}

/** @param work gets the options with those of the run's beginning where they are not given again */
export async function inStage<F extends StageFlags & AdapterFlags, T>(
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
    const source = await findModel(all.model, undefined, localModel);
    const { directory, adapter } = source;
    if (adapter !== null && !all.lora) {
      const further = stage === "reward" ? "" : ", and with --lora the adapter goes on being trained";
      throw new RangeError(
        `${adapter}: an adapter, where ${stage} trains the weights: fathom convert --merge makes a model of it and its base${further}`,
      );
    }
    const config = readConfig(directory);
    const tokenizer = openTokenizer(tokenizerFolder(source), config);
    if (!tokenizer) throw new RangeError(`${directory}: no tokenizer.json: ${stage} needs one`);
    return work(all, { directory, adapter, config, tokenizer }, session);
  });
}
