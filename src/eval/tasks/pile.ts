/**
 * The Pile's test split in bits per byte, which does not depend on the tokenizer; evaluation.md 3.1. All log-probabilities are added up,
 * then divided by all bytes, so `pile_test` is the average over bytes; each of the 22 sources has a task too. `pile_10k` is a public sample
 * of the training split for a quick figure. Which documents DeepSeek took is not published.
 */
import type { Doc, TaskFile } from "../taskFile.js";

const sources: Readonly<Record<string, string>> = {
  arxiv: "ArXiv",
  bookcorpus2: "BookCorpus2",
  books3: "Books3",
  "dm-mathematics": "DM Mathematics",
  enron: "Enron Emails",
  europarl: "EuroParl",
  freelaw: "FreeLaw",
  github: "Github",
  gutenberg: "Gutenberg (PG-19)",
  hackernews: "HackerNews",
  "nih-exporter": "NIH ExPorter",
  opensubtitles: "OpenSubtitles",
  openwebtext2: "OpenWebText2",
  philpapers: "PhilPapers",
  "pile-cc": "Pile-CC",
  "pubmed-abstracts": "PubMed Abstracts",
  "pubmed-central": "PubMed Central",
  stackexchange: "StackExchange",
  "ubuntu-irc": "Ubuntu IRC",
  uspto: "USPTO Backgrounds",
  wikipedia: "Wikipedia (en)",
  youtubesubtitles: "YoutubeSubtitles",
};

const shared = {
  dataset: { path: "EleutherAI/pile", name: null },
  testSplit: "test",
  docToText: "",
  docToTarget: "{{text}}",
  outputType: "loglikelihood_rolling",
  metricList: [{ metric: "bits_per_byte" }, { metric: "byte_perplexity" }, { metric: "word_perplexity" }],
  metadata: { version: 1 },
  format: "benchmark",
} as const;

export const pileTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "pile_test",
    about: "all sources",
    published: { table: "base", metric: "BPB", value: 0.548, key: "bits_per_byte,none" },
  },
  {
    ...shared,
    task: "pile_10k",
    dataset: { path: "NeelNanda/pile-10k", name: null },
    testSplit: "train",
    about: "the first 10,000 documents of the training split",
  },
  ...Object.entries(sources).map(
    ([name, source]): TaskFile => ({
      ...shared,
      task: `pile_${name}`,
      tag: ["pile"],
      processDocs: (docs) => docs.filter((doc) => sourceOf(doc) === source),
      about: source,
    }),
  ),
];

function sourceOf(doc: Doc): unknown {
  return (doc.meta as { readonly pile_set_name?: unknown } | undefined)?.pile_set_name;
}
