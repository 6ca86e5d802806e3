/**
 * MMLU: 57 subjects, four choices, answered by letter; evaluation.md 3.3. Shots are the first rows of the subject's dev split. Subjects are
 * gathered in lm-eval's four groups and weighed by their rows, as in the original publication.
 */
import type { TaskFile, TaskGroup } from "../taskFile.js";

export const mmluSubjects = {
  stem: [
    ...["abstract_algebra", "anatomy", "astronomy", "college_biology", "college_chemistry", "college_computer_science"],
    ...["college_mathematics", "college_physics", "computer_security", "conceptual_physics", "electrical_engineering"],
    ...["elementary_mathematics", "high_school_biology", "high_school_chemistry", "high_school_computer_science"],
    ...["high_school_mathematics", "high_school_physics", "high_school_statistics", "machine_learning"],
  ],
  humanities: [
    ...["formal_logic", "high_school_european_history", "high_school_us_history", "high_school_world_history"],
    ...["international_law", "jurisprudence", "logical_fallacies", "moral_disputes", "moral_scenarios", "philosophy"],
    ...["prehistory", "professional_law", "world_religions"],
  ],
  social_sciences: [
    ...["econometrics", "high_school_geography", "high_school_government_and_politics", "high_school_macroeconomics"],
    ...["high_school_microeconomics", "high_school_psychology", "human_sexuality", "professional_psychology"],
    ...["public_relations", "security_studies", "sociology", "us_foreign_policy"],
  ],
  other: [
    ...["business_ethics", "clinical_knowledge", "college_medicine", "global_facts", "human_aging", "management"],
    ...["marketing", "medical_genetics", "miscellaneous", "nutrition", "professional_accounting"],
    ...["professional_medicine", "virology"],
  ],
} as const;

export const mmluQuestion =
  "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:";

function subjectTask(group: string, subject: string): TaskFile {
  return {
    task: `mmlu_${subject}`,
    taskAlias: subject,
    tag: [`mmlu_${group}_tasks`],
    dataset: { path: "cais/mmlu", name: subject },
    validationSplit: "validation",
    testSplit: "test",
    fewshotSplit: "dev",
    fewshotConfig: { sampler: "first_n" },
    description: `The following are multiple choice questions (with answers) about ${subject.replaceAll("_", " ")}.\n\n`,
    docToText: mmluQuestion,
    docToChoice: ["A", "B", "C", "D"],
    docToTarget: "answer",
    numFewshot: 5,
    outputType: "multiple_choice",
    metricList: [{ metric: "acc" }],
    metadata: { version: 1 },
    format: "lm-eval",
  };
}

const groups = Object.entries(mmluSubjects);

export const mmluTasks: readonly TaskFile[] = groups.flatMap(([group, subjects]) =>
  subjects.map((subject) => subjectTask(group, subject)),
);

export const mmluGroups: readonly TaskGroup[] = [
  ...groups.map(
    ([group]): TaskGroup => ({
      group: `mmlu_${group}`,
      groupAlias: group.replaceAll("_", " "),
      task: [`mmlu_${group}_tasks`],
      aggregateMetricList: [{ metric: "acc", weightBySize: true }],
      metadata: { version: 2 },
    }),
  ),
  {
    group: "mmlu",
    task: groups.map(([group]) => `mmlu_${group}`),
    aggregateMetricList: [{ metric: "acc", weightBySize: true }],
    metadata: { version: 2 },
    about: "57 subjects",
    published: { table: "base", metric: "acc", value: 87.1, key: "acc,none" },
  },
];
