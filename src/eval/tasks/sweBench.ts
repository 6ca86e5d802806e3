/**
 * SWE-bench Verified: 500 issues of Python projects, to be resolved by a patch; evaluation.md 5.12. What is done here is the model's part:
 * a prompt with the issue and the files in question, and the patch cut out of the answer. Whether a patch resolves the issue is found by
 * the official runner, which needs the project's container for every instance (about 120 GB): write predictions with
 * sweBenchPredictionLines, run it, and read its report with resolvedShare (metrics/sweBench.ts).
 *
 * The files come from a checkout at the instance's base commit, in a column `files` of `{ path, content }` that the user adds; which files
 * is the localisation step of an agentless pipeline and is not part of this task. The words of the prompt are ours.
 */
import { patchInAnswer, sweBenchTests } from "../metrics/sweBench.js";
import type { Doc, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";

interface SourceFile {
  readonly path: string;
  readonly content: string;
}

function filesOf(doc: Doc): readonly SourceFile[] {
  const files = doc.files as readonly SourceFile[] | undefined;
  if (Array.isArray(files) && files.length > 0) return files;
  throw new RangeError(
    `swe_bench_verified: ${doc.instance_id} needs files of a checkout of ${doc.repo} at ${doc.base_commit}: put those that the patch may ` +
      'change into a column "files", a list of { path, content }',
  );
}

export const sweBenchTask: TaskFile = {
  task: "swe_bench_verified",
  dataset: { path: "princeton-nlp/SWE-bench_Verified", name: null },
  testSplit: "test",
  docToText: (doc) => {
    const files = filesOf(doc).map(({ path, content }) => `<file path="${path}">\n${content}\n</file>`);
    return (
      `Resolve this issue of the project ${doc.repo}.\n\n<issue>\n${doc.problem_statement}\n</issue>\n\n${files.join("\n\n")}\n\n` +
      "Think about the cause first. Then give one patch as a unified diff against these files in a ```diff block, with paths as above " +
      "behind a/ and b/. Change no tests."
    );
  },
  docToTarget: "{{patch}}",
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  filterList: [{ name: "none", filter: [{ function: "custom", apply: (answers) => answers.map(patchInAnswer) }] }],
  scorer: ({ doc }) => {
    const count = [doc.FAIL_TO_PASS, doc.PASS_TO_PASS]
      .map((field) => sweBenchTests(String(field), String(doc.instance_id)).length)
      .reduce((sum, length) => sum + length, 0);
    throw new RangeError(
      `swe_bench_verified: ${doc.instance_id}: its ${count} tests run in the container of ${doc.repo} ${doc.version}, which is not ` +
        "here; answer with --predict_only, hand the predictions to the official runner and read its report",
    );
  },
  metricList: [{ metric: "resolved" }],
  metadata: { version: 1 },
  format: "own",
  about: "patches for the official runner",
  needs: ["sandbox", "checkout"],
  published: { table: "chat", metric: "resolved", value: 42.0, key: "resolved,none" },
};
