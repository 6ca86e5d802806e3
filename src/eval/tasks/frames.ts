/**
 * FRAMES: questions that several Wikipedia articles have to be read for, graded by a judge model; evaluation.md 5.7. `frames` asks from
 * memory; `frames_oracle` gives the articles, which makes contexts of more than 100,000 tokens and is taken to be the report's setting. The
 * data set holds links alone: the texts come from the user, in a column `articles` (a list of texts). All words of the prompts are ours.
 */
import type { Doc, Scorer, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";

export function framesJudgePrompt(question: string, gold: string, predicted: string): string {
  return `Compare a predicted answer with the gold answer to a question. They need not have the same words: the prediction is
right if it holds everything that the gold answer says in reply to the question and nothing that contradicts it.

Question: ${question}
Gold answer: ${gold}
Predicted answer: ${predicted}

Reply TRUE if the predicted answer is right, else FALSE.`;
}

const scorer: Scorer = async ({ doc, target, responses: [response = ""] }, { judge }) => {
  const prompt = framesJudgePrompt(String(doc.Prompt), String(target), response);
  const reply = await judge(prompt);
  // Neither word means wrong; a reply with both is settled by its last one.
  const verdict =
    reply
      .toUpperCase()
      .match(/\b(?:TRUE|FALSE)\b/g)
      ?.at(-1) ?? "neither";
  return { metrics: { accuracy: verdict === "TRUE" ? 1 : 0 }, details: { prompt, reply, verdict } };
};

function articlesOf(doc: Doc): string {
  const { articles } = doc;
  if (Array.isArray(articles) && articles.length > 0 && articles.every((text) => typeof text === "string")) {
    return articles.map((text, i) => `Article ${i + 1}:\n${text}`).join("\n\n");
  }
  throw new RangeError(
    "frames_oracle: the texts of the articles are missing: the data set has links alone (wiki_links); fetch them and put " +
      `the texts into a column "articles", a list of texts for each row (${String(doc.Prompt).slice(0, 60)}...)`,
  );
}

const shared = {
  dataset: { path: "google/frames-benchmark", name: null },
  testSplit: "test",
  docToTarget: "{{Answer}}",
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  scorer,
  metricList: [{ metric: "accuracy" }],
  metadata: { version: 1 },
  format: "own",
} as const;

export const framesTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "frames",
    docToText: "{{Prompt}}",
    about: "from memory",
    needs: ["judge"],
  },
  {
    ...shared,
    task: "frames_oracle",
    docToText: (doc) =>
      `Answer the question below from these articles.\n\n${articlesOf(doc)}\n\nQuestion: ${doc.Prompt}`,
    about: "with the articles that answer it",
    needs: ["judge", "long context"],
    published: { table: "chat", metric: "acc", value: 73.3, key: "accuracy,none" },
  },
];
