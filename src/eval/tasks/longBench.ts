/**
 * LongBench v2: 503 questions about documents of 8,000 to two million words, four choices; evaluation.md 5.8. The answer is the sentence
 * "The correct answer is (X)". `longbench_v2` asks for it at once, at temperature 0.1; `longbench_v2_cot` lets the model reason over 1,024
 * tokens and asks again for the letter in a second turn, so that it is always a chat. Figures are given for easy and hard
 * questions and for short, medium and long documents too. The words of the prompts are ours. What is too long loses its middle.
 */
import { longBenchLetter } from "../metrics/choiceLetter.js";
import { invalidAnswer } from "../metrics/invalidAnswer.js";
import type { Doc, Metric, MetricValue, TaskFile } from "../taskFile.js";
import { extraction } from "./extraction.js";

const parts = { difficulty: ["easy", "hard"], length: ["short", "medium", "long"] } as const;

/** Right or wrong, for all and for the parts that the row belongs to; of other parts it is no value. */
function valuesOf(doc: Doc, isRight: boolean): Record<string, MetricValue> {
  const value = isRight ? 1 : 0;
  const entries = Object.entries(parts).flatMap(([column, names]) => {
    if (!(names as readonly unknown[]).includes(doc[column])) {
      throw new RangeError(
        `longbench_v2: ${column} must be one of ${names.join(", ")}, got ${JSON.stringify(doc[column])}`,
      );
    }
    return names.map((name): [string, MetricValue] => [`acc_${name}`, doc[column] === name ? [value] : []]);
  });
  return { acc: value, ...Object.fromEntries(entries) };
}

function question(doc: Doc): string {
  const choices = ["A", "B", "C", "D"].map((letter) => `(${letter}) ${doc[`choice_${letter}`]}`);
  return `Read the document and answer the question about it.

<document>
${doc.context}
</document>

Question: ${doc.question}

Choices:
${choices.join("\n")}`;
}

const letterRequest = 'Reply with one sentence: "The correct answer is (X)", where X is the letter of your choice.';

const metricList: readonly Metric[] = ["acc", "acc_easy", "acc_hard", "acc_short", "acc_medium", "acc_long"].map(
  (metric) => ({
    metric,
  }),
);

const shared = {
  dataset: { path: "THUDM/LongBench-v2", name: null, dataFiles: { train: "data.json" } },
  testSplit: "train",
  docToTarget: "{{answer}}",
  outputType: "generate_until",
  cutPrompt: "middle",
  metricList,
  metadata: { version: 2 },
  format: "own",
  needs: ["long context"],
} as const;

const sampling = { until: [], doSample: true, temperature: 0.1 } as const;

export const longBenchTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "longbench_v2",
    docToText: (doc) => `${question(doc)}\n\n${letterRequest}`,
    generationKwargs: { ...sampling, maxGenToks: 128 },
    filterList: [extraction(longBenchLetter)],
    scorer: ({ doc, target, responses: [letter = invalidAnswer] }) => ({ metrics: valuesOf(doc, letter === target) }),
    about: "the letter at once",
    published: { table: "chat", metric: "acc", value: 48.7, key: "acc,none" },
  },
  {
    ...shared,
    task: "longbench_v2_cot",
    promptKind: "chat",
    docToText: (doc) =>
      `${question(doc)}\n\nThink step by step about what the document says on this. You will be asked for the letter afterwards.`,
    generationKwargs: { ...sampling, maxGenToks: 1024 },
    scorer: async ({ doc, target }, { followUp }) => {
      if (!followUp) {
        throw new RangeError(
          "longbench_v2_cot asks for the letter in a second turn, and this run cannot put a further question to the model",
        );
      }
      const reply = await followUp(letterRequest);
      const letter = longBenchLetter(reply);
      return { metrics: valuesOf(doc, letter === target), details: { reply, letter } };
    },
    about: "reasoning first, the letter in a second turn",
  },
];
