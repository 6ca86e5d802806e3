/** The keys of a task file as lm-eval has them (evaluation.md 9), and the same task under the names of this program. */
import { z } from "zod";
import type {
  DatasetRef,
  FewshotConfig,
  Filter,
  FilterPipeline,
  GroupMetric,
  Metric,
  TaskFile,
  TaskGroup,
  TextOf,
} from "../taskFile.js";

const names = z.union([z.string(), z.array(z.string())]);
const text = z.union([z.string(), z.number().int()]);
const target = z.union([z.string(), z.number().int(), z.array(z.string()), z.array(z.number().int())]);
const choices = z.union([z.string(), z.array(z.union([z.string(), z.number()])), z.record(z.string(), z.string())]);
const row = z.record(z.string(), z.unknown());

const dataFiles = z.union([names, z.record(z.string(), names)]);

const filter = z.discriminatedUnion("function", [
  z.strictObject({
    function: z.literal("regex"),
    regex_pattern: z.string().default("#### (\\-?[0-9\\.\\,]+)"),
    group_select: z.number().int().optional(),
    fallback: z.string().optional(),
  }),
  z.strictObject({
    function: z.literal("multi_choice_regex"),
    regex_pattern: z.string(),
    group_select: z.number().int().optional(),
    fallback: z.string().optional(),
    ignore_case: z.boolean().optional(),
    ignore_punctuation: z.boolean().optional(),
    regexes_to_ignore: z.array(z.string()).optional(),
  }),
  z.strictObject({
    function: z.enum(["take_first", "majority_vote", "remove_whitespace", "lowercase", "uppercase"]),
  }),
  z.strictObject({ function: z.literal("take_first_k"), k: z.number().int().positive() }),
  z.strictObject({
    function: z.literal("map"),
    mapping_dict: z.record(z.string(), z.string()),
    default_value: z.string().optional(),
  }),
]);

const metric = z.strictObject({
  metric: z.string(),
  aggregation: z.enum(["mean", "median", "perplexity", "weighted_perplexity", "bits_per_byte", "f1", "mcc"]).optional(),
  higher_is_better: z.boolean().optional(),
  ignore_case: z.boolean().optional(),
  ignore_punctuation: z.boolean().optional(),
  ignore_numbers: z.boolean().optional(),
  regexes_to_ignore: z.array(z.string()).optional(),
  judge_prompt: z.string().optional(),
});

export const generationSchema = z.strictObject({
  until: z.union([z.string(), z.array(z.string())]).nullish(),
  max_gen_toks: z.number().int().positive().optional(),
  do_sample: z.boolean().optional(),
  temperature: z.number().min(0).optional(),
  top_p: z.number().positive().max(1).optional(),
  top_k: z.number().int().min(0).optional(),
});

const metadata = z.looseObject({ version: z.union([z.number(), z.string()]).default(0) });

export const taskSchema = z.strictObject({
  task: z.string().min(1),
  task_alias: z.string().optional(),
  tag: names.nullish(),
  dataset_path: z.string().min(1),
  dataset_name: z.string().nullish(),
  dataset_kwargs: z.strictObject({ data_files: dataFiles.optional(), data_dir: z.string().optional() }).nullish(),
  training_split: z.string().nullish(),
  validation_split: z.string().nullish(),
  test_split: z.string().nullish(),
  fewshot_split: z.string().nullish(),
  description: z.string().optional(),
  doc_to_text: text,
  doc_to_target: target,
  doc_to_choice: choices.optional(),
  fewshot_delimiter: z.string().optional(),
  target_delimiter: z.string().optional(),
  gen_prefix: z.string().optional(),
  num_fewshot: z.number().int().min(0).optional(),
  fewshot_config: z
    .strictObject({
      sampler: z.enum(["default", "first_n"]).optional(),
      samples: z.array(row).optional(),
      doc_to_text: text.optional(),
      doc_to_target: target.optional(),
      doc_to_choice: choices.optional(),
    })
    .nullish(),
  output_type: z.enum(["loglikelihood", "loglikelihood_rolling", "generate_until", "multiple_choice"]),
  generation_kwargs: generationSchema.nullish(),
  // Ours: lm-eval always cuts the beginning.
  cut_prompt: z.enum(["start", "middle", "none"]).optional(),
  repeats: z.number().int().positive().optional(),
  filter_list: z.array(z.strictObject({ name: z.string().min(1), filter: z.array(filter).min(1) })).nullish(),
  metric_list: z.array(metric).min(1).optional(),
  // Of a search for the test set in the training text, which this program does not make: files have them, and nothing depends on them.
  should_decontaminate: z.boolean().optional(),
  doc_to_decontamination_query: z.string().optional(),
  metadata: metadata.nullish(),
});

export const groupSchema = z.strictObject({
  group: z.string().min(1),
  group_alias: z.string().nullish(),
  task: z.array(z.string().min(1)).min(1),
  aggregate_metric_list: z
    .array(
      z.strictObject({
        metric: z.string(),
        aggregation: z.literal("mean").optional(),
        weight_by_size: z.boolean().optional(),
        filter_list: names.optional(),
      }),
    )
    .nullish(),
  metadata: metadata.nullish(),
});

type TaskKeys = z.infer<typeof taskSchema>;
type GroupKeys = z.infer<typeof groupSchema>;
type GenerationKeys = z.infer<typeof generationSchema>;

/** @param dataset where the file's data_path leads */
export function taskOfKeys(keys: TaskKeys, dataset: DatasetRef): TaskFile {
  const { fewshot_config: shots, filter_list: filters } = keys;
  return defined<TaskFile>({
    task: keys.task,
    taskAlias: keys.task_alias,
    tag: listOf(keys.tag),
    dataset,
    trainingSplit: keys.training_split,
    validationSplit: keys.validation_split,
    testSplit: keys.test_split,
    fewshotSplit: keys.fewshot_split,
    description: keys.description,
    docToText: keys.doc_to_text,
    docToTarget: targetOf(keys.doc_to_target),
    docToChoice: keys.doc_to_choice === undefined ? undefined : choicesOf(keys.doc_to_choice),
    fewshotDelimiter: keys.fewshot_delimiter,
    targetDelimiter: keys.target_delimiter,
    genPrefix: keys.gen_prefix,
    numFewshot: keys.num_fewshot,
    fewshotConfig: shots
      ? defined<FewshotConfig>({
          sampler: shots.sampler,
          samples: shots.samples,
          docToText: shots.doc_to_text,
          docToTarget: shots.doc_to_target === undefined ? undefined : targetOf(shots.doc_to_target),
          docToChoice: shots.doc_to_choice === undefined ? undefined : choicesOf(shots.doc_to_choice),
        })
      : undefined,
    outputType: keys.output_type,
    generationKwargs: keys.generation_kwargs ? generationOfKeys(keys.generation_kwargs) : undefined,
    cutPrompt: keys.cut_prompt,
    repeats: keys.repeats,
    filterList: filters?.map(({ name, filter }): FilterPipeline => ({ name, filter: filter.map(filterOfKeys) })),
    metricList: keys.metric_list?.map(metricOfKeys),
    metadata: { version: keys.metadata?.version ?? 0 },
    format: "own",
  });
}

export function groupOfKeys(keys: GroupKeys): TaskGroup {
  return defined<TaskGroup>({
    group: keys.group,
    groupAlias: keys.group_alias,
    task: keys.task,
    aggregateMetricList: keys.aggregate_metric_list?.map((each) =>
      defined<GroupMetric>({
        metric: each.metric,
        aggregation: each.aggregation,
        weightBySize: each.weight_by_size,
        filterList: listOf(each.filter_list),
      }),
    ),
    metadata: { version: keys.metadata?.version ?? 0 },
  });
}

export function generationOfKeys(keys: GenerationKeys): NonNullable<TaskFile["generationKwargs"]> {
  return defined({
    until: listOf(keys.until),
    maxGenToks: keys.max_gen_toks,
    doSample: keys.do_sample,
    temperature: keys.temperature,
    topP: keys.top_p,
    topK: keys.top_k,
  });
}

function metricOfKeys(keys: z.infer<typeof metric>): Metric {
  return defined<Metric>({
    metric: keys.metric,
    aggregation: keys.aggregation,
    higherIsBetter: keys.higher_is_better,
    ignoreCase: keys.ignore_case,
    ignorePunctuation: keys.ignore_punctuation,
    ignoreNumbers: keys.ignore_numbers,
    regexesToIgnore: keys.regexes_to_ignore,
    judgePrompt: keys.judge_prompt,
  });
}

function filterOfKeys(keys: z.infer<typeof filter>): Filter {
  switch (keys.function) {
    case "regex":
      return defined<Filter>({
        function: keys.function,
        regexPattern: keys.regex_pattern,
        groupSelect: keys.group_select,
        fallback: keys.fallback,
      });
    case "multi_choice_regex":
      return defined<Filter>({
        function: keys.function,
        regexPattern: keys.regex_pattern,
        groupSelect: keys.group_select,
        fallback: keys.fallback,
        ignoreCase: keys.ignore_case,
        ignorePunctuation: keys.ignore_punctuation,
        regexesToIgnore: keys.regexes_to_ignore,
      });
    case "map":
      return defined<Filter>({
        function: keys.function,
        mappingDict: keys.mapping_dict,
        defaultValue: keys.default_value,
      });
    case "take_first_k":
    case "take_first":
    case "majority_vote":
    case "remove_whitespace":
    case "lowercase":
    case "uppercase":
      return keys;
    default:
      return keys satisfies never;
  }
}

/** A list stands for itself. */
function targetOf(value: z.infer<typeof target>): TextOf | (() => readonly string[] | readonly number[]) {
  return Array.isArray(value) ? () => value : value;
}

function choicesOf(value: z.infer<typeof choices>): string | readonly string[] {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.map(String) : Object.values(value);
}

function listOf(value: string | readonly string[] | null | undefined): readonly string[] | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === "string" ? [value] : value;
}

/** Without the keys that nobody gave. */
function defined<T extends object>(value: { readonly [K in keyof T]: T[K] | null | undefined }): T {
  const given = Object.entries(value).filter(([, each]) => each !== undefined && each !== null);
  return Object.fromEntries(given) as unknown as T;
}
