/**
 * Bits per byte of documents that the model was not trained on: what its run held out, or those that --held-out names. The figure does not
 * depend on the tokenizer, and is the quickest look at a base model. Windows are lm-eval's, which do not overlap in what they score
 * (evaluation.md 7.1 and 8.4); a run's own validation reads with more context and finds a little less.
 */
import type { TaskFile } from "../taskFile.js";

export const bitsPerByteTask: TaskFile = {
  task: "bits_per_byte",
  dataset: null,
  docs: ({ heldOut }) => heldOut(),
  docToText: "",
  docToTarget: (doc) => String(doc.text),
  outputType: "loglikelihood_rolling",
  metricList: [{ metric: "bits_per_byte" }, { metric: "byte_perplexity" }, { metric: "word_perplexity" }],
  metadata: { version: 1 },
  format: "own",
  about: "documents held out of training",
};
