/**
 * What is measured and what it is called: by its own name, or by the names that dashboards of other servers know (infrastructure.md 7.6). A
 * measure that the other server lacks keeps its own name.
 */
import type { MetricsNames } from "./settings.js";

export type MetricKind = "counter" | "gauge" | "histogram";

export interface MetricInfo {
  readonly kind: MetricKind;
  readonly help: string;
  readonly own: string;
  readonly vllm?: string;
  readonly sglang?: string;
  readonly llamacpp?: string;
  /** Labels beside the model. */
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
}

const firstTokenSeconds = [
  ...[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560],
];
const interTokenSeconds = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const phaseSeconds = [
  ...[0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680],
];
/** 1-2-5 up to the longest context. */
const tokenCounts = [0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

export const metrics = {
  running: {
    kind: "gauge",
    help: "Completions that run",
    own: "requests_running",
    vllm: "num_requests_running",
    sglang: "num_running_reqs",
    llamacpp: "requests_processing",
  },
  waiting: {
    kind: "gauge",
    help: "Completions that wait",
    own: "requests_waiting",
    vllm: "num_requests_waiting",
    sglang: "num_queue_reqs",
    llamacpp: "requests_deferred",
  },
  cacheUsage: {
    kind: "gauge",
    help: "Share of the cache's pages that requests hold",
    own: "cache_usage_ratio",
    vllm: "kv_cache_usage_perc",
    sglang: "token_usage",
  },
  usedTokens: {
    kind: "gauge",
    help: "Tokens that the pages held by requests have room for",
    own: "cache_used_tokens",
    sglang: "num_used_tokens",
  },
  cachedTokens: { kind: "gauge", help: "Tokens of free pages that are kept for reuse", own: "cache_reusable_tokens" },
  cacheHitRate: {
    kind: "gauge",
    help: "Share of prompt tokens that came from the prefix cache",
    own: "prefix_cache_hit_ratio",
    sglang: "cache_hit_rate",
  },
  throughput: {
    kind: "gauge",
    help: "Tokens written per second since the last look",
    own: "generation_tokens_per_second",
    sglang: "gen_throughput",
    llamacpp: "predicted_tokens_seconds",
  },
  preemptions: {
    kind: "counter",
    help: "Completions that gave up their cache and came back later",
    own: "preemptions_total",
    vllm: "num_preemptions_total",
  },
  promptTokens: {
    kind: "counter",
    help: "Tokens of prompts",
    own: "prompt_tokens_total",
    vllm: "prompt_tokens_total",
    sglang: "prompt_tokens_total",
    llamacpp: "prompt_tokens_total",
  },
  completionTokens: {
    kind: "counter",
    help: "Tokens written",
    own: "generation_tokens_total",
    vllm: "generation_tokens_total",
    sglang: "generation_tokens_total",
    llamacpp: "tokens_predicted_total",
  },
  finished: {
    kind: "counter",
    help: "Completions that ended, by why",
    own: "completions_finished_total",
    vllm: "request_success_total",
    labels: ["finished_reason"],
  },
  prefixQueries: {
    kind: "counter",
    help: "Prompt tokens looked for in the prefix cache",
    own: "prefix_cache_queries_total",
    vllm: "prefix_cache_queries_total",
  },
  prefixHits: {
    kind: "counter",
    help: "Prompt tokens found there",
    own: "prefix_cache_hits_total",
    vllm: "prefix_cache_hits_total",
  },
  steps: {
    kind: "counter",
    help: "Passes through the model",
    own: "steps_total",
    llamacpp: "n_decode_total",
  },
  drafts: {
    kind: "counter",
    help: "Drafts by the multi-token-prediction modules",
    own: "spec_decode_num_drafts_total",
    vllm: "spec_decode_num_drafts_total",
    llamacpp: "spec_decode_num_drafts_total",
  },
  draftTokens: {
    kind: "counter",
    help: "Tokens of drafts",
    own: "spec_decode_num_draft_tokens_total",
    vllm: "spec_decode_num_draft_tokens_total",
    llamacpp: "spec_decode_num_draft_tokens_total",
  },
  acceptedTokens: {
    kind: "counter",
    help: "Tokens of drafts that the model confirmed",
    own: "spec_decode_num_accepted_tokens_total",
    vllm: "spec_decode_num_accepted_tokens_total",
    llamacpp: "spec_decode_num_accepted_tokens_total",
  },
  acceptedPerPosition: {
    kind: "counter",
    help: "The same by place in the draft",
    own: "spec_decode_num_accepted_tokens_per_pos_total",
    vllm: "spec_decode_num_accepted_tokens_per_pos_total",
    labels: ["position"],
  },
  expertImbalance: {
    kind: "gauge",
    help: "Tokens of the busiest expert over the mean, by layer",
    own: "expert_load_max_over_mean",
    labels: ["layer"],
  },
  residentBytes: { kind: "gauge", help: "Memory of the model and its cache", own: "model_resident_bytes" },
  firstToken: {
    kind: "histogram",
    help: "From arrival to the first token",
    own: "time_to_first_token_seconds",
    vllm: "time_to_first_token_seconds",
    sglang: "time_to_first_token_seconds",
    buckets: firstTokenSeconds,
  },
  interToken: {
    kind: "histogram",
    help: "Between a completion's tokens",
    own: "inter_token_latency_seconds",
    vllm: "inter_token_latency_seconds",
    sglang: "time_per_output_token_seconds",
    buckets: interTokenSeconds,
  },
  queued: {
    kind: "histogram",
    help: "From a request to the beginning of its prompt",
    own: "request_queue_time_seconds",
    vllm: "request_queue_time_seconds",
    buckets: phaseSeconds,
  },
  prefill: {
    kind: "histogram",
    help: "From the beginning of a prompt to its end",
    own: "request_prefill_time_seconds",
    vllm: "request_prefill_time_seconds",
    buckets: phaseSeconds,
  },
  wholeRequest: {
    kind: "histogram",
    help: "From arrival to the last token",
    own: "e2e_request_latency_seconds",
    vllm: "e2e_request_latency_seconds",
    sglang: "e2e_request_latency_seconds",
    buckets: phaseSeconds,
  },
  decode: {
    kind: "histogram",
    help: "From the first token to the last",
    own: "request_decode_time_seconds",
    vllm: "request_decode_time_seconds",
    buckets: phaseSeconds,
  },
  requestPromptTokens: {
    kind: "histogram",
    help: "Tokens of a request's prompt",
    own: "request_prompt_tokens",
    vllm: "request_prompt_tokens",
    buckets: tokenCounts,
  },
  requestCompletionTokens: {
    kind: "histogram",
    help: "Tokens that a request was given",
    own: "request_generation_tokens",
    vllm: "request_generation_tokens",
    buckets: tokenCounts,
  },
  requestMaxTokens: {
    kind: "histogram",
    help: "Most tokens that a request asked for",
    own: "request_params_max_tokens",
    vllm: "request_params_max_tokens",
    buckets: tokenCounts,
  },
  requestChoices: {
    kind: "histogram",
    help: "Choices that a request asked for",
    own: "request_params_n",
    vllm: "request_params_n",
    buckets: [1, 2, 5, 10, 20],
  },
  reloads: {
    kind: "counter",
    help: "New checkpoints taken over, or found damaged",
    own: "model_reloads_total",
    labels: ["result"],
  },
} as const satisfies Readonly<Record<string, MetricInfo>>;

export type MetricKey = keyof typeof metrics;

export function metricName(key: MetricKey, names: MetricsNames): string {
  const info: MetricInfo = metrics[key];
  const other = names === "fathom" ? undefined : info[names];
  return other === undefined ? `fathom_${info.own}` : `${names}:${other}`;
}
