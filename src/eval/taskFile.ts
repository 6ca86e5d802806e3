/**
 * What a benchmark is to the harness: where its documents are, how a document becomes a prompt, what is asked of the model, and how the
 * answer is scored. The words are lm-eval's (evaluation.md sections 8 and 9), camelCase here and snake_case in users' YAML and JSON files,
 * which taskSchema.ts reads into the same shape. Our own tasks are modules in `tasks/`; there a text may also be a function of the document,
 * and what a task needs, where its data is published and what DeepSeek-V3 scored on it are said beside it.
 */

import type { ProgramRun, RunResult } from "../sandbox/program.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** A row of a data set. */
export type Doc = Readonly<Record<string, unknown>>;

export type OutputType = "loglikelihood" | "loglikelihood_rolling" | "generate_until" | "multiple_choice";

/**
 * Makes a text of a document: a Jinja template (it has `{{` or `{%`), the name of a column, a text that stands for itself (neither), or a
 * function. A number is a choice's index.
 */
export type TextOf = string | number | ((doc: Doc) => string | number);

/** As `TextOf`; several right answers as a list. */
export type TargetOf = string | number | ((doc: Doc) => Target);

/** The right answer: a text or the index of a choice; a list where any of several is right. */
export type Target = string | number | readonly string[] | readonly number[];

/** The choices of a document: a template or column that gives a list, the list itself, or a function. */
export type ChoicesOf = string | readonly string[] | ((doc: Doc) => readonly string[]);

/** Where rows are read from. */
export interface DatasetRef {
  /** Hub id `owner/name`, or a folder of this machine. */
  readonly path: string;
  /** Configuration of the data set; null: it has one alone. */
  readonly name: string | null;
  /** Files of a split, relative to the data set, where they are not named as is usual; `*` stands for any run of characters but "/". */
  readonly dataFiles?: Readonly<Record<string, string | readonly string[]>>;
  /** Where rows come from that the hub does not have; said where they are missing. */
  readonly source?: string;
}

/** What documents can be made of that are in no data set. */
export interface DocSource {
  /** Of the evaluated model; null of an endpoint, which does not tell. */
  readonly tokenizer: Tokenizer | null;
  /** Positions of the evaluated model; null of an endpoint. */
  readonly maxPositions: number | null;
  /** Rows with a `text`: the held-out documents of the evaluated run, or of the path that --held-out names. @throws RangeError for neither */
  heldOut(): Promise<readonly Doc[]>;
  /** Values of --metadata. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface FewshotConfig {
  /** "default": drawn anew for each document with the few-shot seed; "first_n": the first of the split (or of `samples`). */
  readonly sampler?: "default" | "first_n";
  /** Shots that are not in the data set. */
  readonly samples?: readonly Doc[];
  /** Another data set that the shots come from. */
  readonly dataset?: DatasetRef;
  /** Where shots are written in another way than questions. Default: as the task's own. */
  readonly docToText?: TextOf;
  readonly docToTarget?: TargetOf;
  readonly docToChoice?: ChoicesOf;
  readonly processDocs?: (docs: readonly Doc[]) => readonly Doc[];
}

/**
 * What a prompt loses that is too long for the model: its beginning, as lm-eval does it; its middle, so that as many tokens stay at either
 * end; or nothing, so that the answer gets the room that is left, and the model refuses a prompt that leaves none.
 */
export type PromptCut = "start" | "middle" | "none";

export interface GenerationKwargs {
  /** Texts that end an answer and are cut off. Default: the few-shot delimiter. */
  readonly until?: readonly string[];
  /** Default 256. */
  readonly maxGenToks?: number;
  /** Draw instead of taking the likeliest. Default false. */
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
}

/** One step of a pipeline; see filters.ts for what each does. */
export type Filter =
  | {
      readonly function: "regex";
      readonly regexPattern: string;
      /** Which match counts; -1 is the last. Default 0. */
      readonly groupSelect?: number;
      /** What stands where nothing matches. Default "[invalid]". */
      readonly fallback?: string;
    }
  | {
      readonly function: "multi_choice_regex";
      readonly regexPattern: string;
      readonly groupSelect?: number;
      readonly fallback?: string;
      readonly ignoreCase?: boolean;
      readonly ignorePunctuation?: boolean;
      readonly regexesToIgnore?: readonly string[];
    }
  | { readonly function: "take_first" | "majority_vote" | "remove_whitespace" | "lowercase" | "uppercase" }
  | { readonly function: "take_first_k"; readonly k: number }
  | {
      readonly function: "map";
      readonly mappingDict: Readonly<Record<string, string>>;
      readonly defaultValue?: string;
    }
  | {
      readonly function: "custom";
      readonly apply: (responses: readonly string[], doc: Doc) => readonly string[];
      /** What it leaves where nothing is found. Default: it always finds something. */
      readonly fallback?: string;
    };

/** Answers are scored once for each pipeline; a metric's key is `metric,name`. Default: one named "none" that takes the first answer. */
export interface FilterPipeline {
  readonly name: string;
  readonly filter: readonly Filter[];
}

/** What a document scored on a metric: a number, or what its aggregation adds up, such as [nats, bytes]. */
export type MetricValue = number | readonly number[];

export type AggregationName = "mean" | "median" | "perplexity" | "weighted_perplexity" | "bits_per_byte" | "f1" | "mcc";

/** A function may stand for one that no name has; its standard error is bootstrapped unless the metric has none. */
export type Aggregation = AggregationName | ((values: readonly MetricValue[]) => number);

export interface Metric {
  /**
   * One of metrics.ts ("acc", "acc_norm", "exact_match", "pass@1", ...), or a name that the task's own scorer gives values for.
   */
  readonly metric: string;
  /** Default: the metric's own; "mean" for one of a scorer. A mean over values that are lists takes all their entries alike. */
  readonly aggregation?: Aggregation;
  /** Default: the metric's own; true for one of a scorer. */
  readonly higherIsBetter?: boolean;
  /** False: documents are no independent draws of what is measured, so that no error can be told from them. Default true. */
  readonly hasError?: boolean;
  /** Of exact_match; evaluation.md 7.3. */
  readonly ignoreCase?: boolean;
  readonly ignorePunctuation?: boolean;
  readonly ignoreNumbers?: boolean;
  readonly regexesToIgnore?: readonly string[];
  /** Of judged: what the judge is asked, a template over the document's columns and `target` and `response`. */
  readonly judgePrompt?: string;
}

/** A document that has been answered, as a scorer sees it. */
export interface Answered {
  readonly doc: Doc;
  readonly target: Target;
  /** What a pipeline left of the model's answers, repeat by repeat. */
  readonly responses: readonly string[];
  /** The pipeline's name. */
  readonly filter: string;
}

export interface Scored {
  /** By metric; every one of the task's `metricList`. */
  readonly metrics: Readonly<Record<string, MetricValue>>;
  /** Kept in the log of samples: a judge's verdict, a program's output. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Scores the answers to one document, for tasks whose metrics have no name of their own. */
export type Scorer = (answered: Answered, tools: ScoringTools) => Scored | Promise<Scored>;

/** What a scorer may use beside the answer. */
export interface ScoringTools {
  /** The judge model's answer to one user message. @throws RangeError if no judge was given */
  judge(prompt: string): Promise<string>;
  /** Runs a program. @throws RangeError unless running generated code was allowed and there is a way to run the language */
  runProgram(program: Program): Promise<ProgramResult>;
  /** Runs a program with tests that the sandbox judges from outside of it; absent where there is none. @throws as `runProgram` */
  runTests?(run: ProgramRun): Promise<RunResult>;
  /**
   * The evaluated model's answer to one more user message, after the prompt and the answer that is being scored. Tasks of two tries need it;
   * absent where the run cannot ask again.
   */
  followUp?(message: string): Promise<string>;
  /** Whether two mathematical answers mean the same, the gold one first; absent where nothing compares formulas. */
  sameMath?(gold: string, answer: string): boolean | Promise<boolean>;
}

export interface Program {
  readonly language: ProgramLanguage;
  readonly source: string;
  readonly stdin?: string;
  readonly timeoutSeconds: number;
}

export type ProgramLanguage = "python" | "java" | "cpp" | "csharp" | "javascript" | "typescript" | "php" | "bash";

export interface ProgramResult {
  /** "exit": it ended by itself, with `exitCode`. */
  readonly status: "exit" | "timeout" | "killed";
  readonly exitCode: number | null;
  /** Of each at most 64 KiB are kept. */
  readonly stdout: string;
  readonly stderr: string;
}

/** A document as it is told after the evaluation. */
export interface ReportedDoc {
  readonly doc: Doc;
  /** Of the first pipeline. */
  readonly metrics: Readonly<Record<string, MetricValue>>;
  readonly promptTokens: number | null;
  readonly cost: { readonly promptMs: number; readonly cachedTokens: number; readonly residentBytes: number } | null;
}

/** What a task shows beside its figures. */
export interface TaskReport {
  readonly text: string;
  /** Contents by name, as "matrix.json"; task and date are put to it. */
  readonly files: Readonly<Record<string, string>>;
}

/** What a task needs beside a model and its data. */
export type Need = "judge" | "sandbox" | "checkout" | "gated" | "long context";

/** The figure of DeepSeek-V3 in the report's tables. */
export interface PublishedScore {
  /** "base": DeepSeek-V3-Base, table 3; "chat": DeepSeek-V3, table 6. */
  readonly table: "base" | "chat";
  /** As the table calls it: "EM", "acc", "BPB". */
  readonly metric: string;
  /** As printed: percent, but bits for BPB. */
  readonly value: number;
  /** The figure of ours that stands for it, `metric,filter`. */
  readonly key: string;
}

/** Whose prompts a task has; figures of different formats do not compare. */
export type PromptFormat = "lm-eval" | "DeepSeek V2" | "simple-evals" | "benchmark" | "own";

export interface TaskFile {
  readonly task: string;
  /** In tables; default: the task's name. */
  readonly taskAlias?: string;
  /** Further names that select it together with others. */
  readonly tag?: readonly string[];
  /** Null: the documents are `docs`. */
  readonly dataset: DatasetRef | null;
  /** Documents that no file of a data set holds. */
  readonly docs?: (source: DocSource) => readonly Doc[] | Promise<readonly Doc[]>;
  readonly trainingSplit?: string;
  /** Evaluated where there is no test split. */
  readonly validationSplit?: string;
  readonly testSplit?: string;
  /** Where shots come from. Default: the training split, else the validation split, else the one that is evaluated. */
  readonly fewshotSplit?: string;
  /** Changes, drops or splits the rows of every split before anything else. */
  readonly processDocs?: (docs: readonly Doc[]) => readonly Doc[];
  /** Stands before the shots, white space included. Default "". */
  readonly description?: string;
  /**
   * The question. For tasks whose contexts differ and whose continuation is the same (WinoGrande) it is the index of the right choice, the
   * choices are the contexts and the target is the continuation.
   */
  readonly docToText: TextOf;
  readonly docToTarget: TargetOf;
  readonly docToChoice?: ChoicesOf;
  /** What stands behind the gap that the model fills (fill in the middle). Default: it goes on from the question. */
  readonly docToSuffix?: TextOf;
  /** Between shots, and before the question. Default "\n\n". */
  readonly fewshotDelimiter?: string;
  /** Between a question and its answer. Default " ". */
  readonly targetDelimiter?: string;
  /** Stands at the beginning of the answer, of shots too. Default "". */
  readonly genPrefix?: string;
  /** Default 0. */
  readonly numFewshot?: number;
  readonly fewshotConfig?: FewshotConfig;
  readonly outputType: OutputType;
  /** Asked in this form whatever --apply-chat-template says: a gap has no chat, a question to a chat model has no other form. */
  readonly promptKind?: "text" | "chat";
  readonly generationKwargs?: GenerationKwargs;
  /** Of `generate_until`. Default "start". An endpoint cuts as its server does. */
  readonly cutPrompt?: PromptCut;
  /** Answers to draw for each document. Default 1. */
  readonly repeats?: number;
  readonly filterList?: readonly FilterPipeline[];
  /** Default: acc for choices (and acc_norm), acc and perplexity for log-likelihoods, perplexities for rolling ones, exact_match for texts. */
  readonly metricList?: readonly Metric[];
  /** Gives the values of all metrics, in place of the named ones. For `generate_until` alone. */
  readonly scorer?: Scorer;
  readonly report?: (docs: readonly ReportedDoc[]) => TaskReport;
  readonly metadata: { readonly version: number | string };

  readonly format: PromptFormat;
  /** For people: what the prompt asks for, where the format alone does not tell. */
  readonly about?: string;
  readonly needs?: readonly Need[];
  /** Of the programs that its scorer runs: where that language's tools are missing the task is left out of its group, and it is said. */
  readonly language?: ProgramLanguage;
  readonly published?: PublishedScore;
}

/** Several tasks, or groups, under one name, with figures of their own. */
export interface TaskGroup {
  readonly group: string;
  readonly groupAlias?: string;
  readonly tag?: readonly string[];
  /** Names of tasks, groups and tags. */
  readonly task: readonly string[];
  /** Documents of each of its tasks where --limit does not say and the task is not asked for by its own name. Default: all. */
  readonly limit?: number;
  /** None: the group has no figures, its tasks alone do. */
  readonly aggregateMetricList?: readonly GroupMetric[];
  readonly metadata?: { readonly version: number | string };
  readonly about?: string;
  readonly published?: PublishedScore;
}

export interface GroupMetric {
  readonly metric: string;
  readonly aggregation?: "mean";
  /** Weigh tasks by their documents; else all alike. Default true. */
  readonly weightBySize?: boolean;
  /** Pipelines to aggregate. Default: all that the tasks have. */
  readonly filterList?: readonly string[];
}
