/** The server's counters, gauges and histograms as Prometheus text. What the engines count is asked of them when somebody looks. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EngineStats, Model } from "../generate/request.js";
import { type MetricInfo, type MetricKey, metricName, metrics } from "./metricNames.js";
import { moeLayers } from "./modelCard.js";
import type { ServedModels } from "./servedModels.js";
import type { MetricsNames } from "./settings.js";

/** An engine that is busy with a long step answers late; the last numbers are then shown. */
const statsWaitMs = 1000;

export class ServerMetrics {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #model: string;
  readonly #all: ReadonlyMap<MetricKey, Counter | Gauge | Histogram>;
  readonly #httpRequests: Counter;
  readonly #httpSeconds: Histogram;
  readonly #loopLag: Gauge;
  readonly #memory: Gauge;
  readonly #loop: ReturnType<typeof monitorEventLoopDelay>;
  readonly #last = new Map<string, { readonly stats: EngineStats; readonly at: number }>();

  constructor(names: MetricsNames) {
    this.contentType = this.#registry.contentType;
    this.#model = names === "fathom" ? "model" : "model_name";
    const registers = [this.#registry];
    this.#all = new Map(
      (Object.keys(metrics) as MetricKey[]).map((key) => {
        const info: MetricInfo = metrics[key];
        const labelNames = [this.#model, ...(info.labels ?? [])];
        return [key, newMetric(info, { name: metricName(key, names), help: info.help, labelNames, registers })];
      }),
    );
    this.#httpRequests = new Counter({
      name: "fathom_http_requests_total",
      help: "Requests answered",
      labelNames: ["handler", "method", "status"],
      registers,
    });
    this.#httpSeconds = new Histogram({
      name: "fathom_http_request_duration_seconds",
      help: "From a request to the head of its answer",
      labelNames: ["handler", "method"],
      registers,
    });
    this.#loopLag = new Gauge({
      name: "fathom_event_loop_lag_seconds",
      help: "How late timers were, 99th percentile since the last look",
      registers,
    });
    this.#memory = new Gauge({ name: "fathom_resident_memory_bytes", help: "Memory of the process", registers });
    this.#loop = monitorEventLoopDelay({ resolution: 20 });
    this.#loop.enable();
  }

  http(handler: string, method: string, status: number, seconds: number): void {
    this.#httpRequests.inc({ handler, method, status });
    this.#httpSeconds.observe({ handler, method }, seconds);
  }

  observe(key: MetricKey, model: string, value: number): void {
    const metric = this.#all.get(key);
    if (metric instanceof Histogram) metric.observe({ [this.#model]: model }, value);
  }

  count(key: MetricKey, model: string, labels: Readonly<Record<string, string>>): void {
    const metric = this.#all.get(key);
    if (metric instanceof Counter) metric.inc({ ...labels, [this.#model]: model });
  }

  async text(models: ServedModels): Promise<string> {
    await Promise.all(models.all.map(({ id, current }) => current && this.#read(id, current.model)));
    const lag = this.#loop.percentile(99);
    this.#loopLag.set(Number.isFinite(lag) ? lag / 1e9 : 0);
    this.#loop.reset();
    this.#memory.set(process.memoryUsage.rss());
    return this.#registry.metrics();
  }

  close(): void {
    this.#loop.disable();
  }

  async #read(model: string, opened: Model): Promise<void> {
    const last = this.#last.get(model);
    const stats = await Promise.race([
      opened.stats().catch(() => null),
      new Promise<null>((resolve) => setTimeout(() => resolve(null), statsWaitMs).unref()),
    ]);
    if (!stats) return;
    const now = performance.now();
    this.#last.set(model, { stats, at: now });
    const { pages, speculation } = stats;
    const set = (key: MetricKey, value: number, labels: Readonly<Record<string, string>> = {}): void =>
      this.#set(key, model, value, labels);
    set("running", stats.running);
    set("waiting", stats.waiting);
    set("cacheUsage", pages.total > 0 ? pages.used / pages.total : 0);
    set("usedTokens", pages.used * pages.tokensPerPage);
    set("cachedTokens", pages.cached * pages.tokensPerPage);
    set("cacheHitRate", stats.prefixQueries > 0 ? stats.prefixHits / stats.prefixQueries : 0);
    if (last && now > last.at) {
      const written = Math.max(0, stats.completionTokens - last.stats.completionTokens);
      set("throughput", (written * 1000) / (now - last.at));
    }
    set("preemptions", stats.preemptions);
    set("promptTokens", stats.promptTokens);
    set("completionTokens", stats.completionTokens);
    for (const [reason, count] of Object.entries(stats.finished)) set("finished", count, { finished_reason: reason });
    set("prefixQueries", stats.prefixQueries);
    set("prefixHits", stats.prefixHits);
    set("steps", stats.steps);
    set("drafts", speculation.drafts);
    set("draftTokens", speculation.draftTokens);
    set(
      "acceptedTokens",
      speculation.acceptedTokens.reduce((sum, count) => sum + count, 0),
    );
    for (const [i, count] of speculation.acceptedTokens.entries()) {
      set("acceptedPerPosition", count, { position: String(i) });
    }
    const layers = moeLayers(opened.info.config);
    for (const [i, load] of stats.expertLoad.entries()) {
      const sum = load.reduce((total, count) => total + count, 0);
      if (sum > 0) set("expertImbalance", (Math.max(...load) * load.length) / sum, { layer: String(layers[i]) });
    }
    set("residentBytes", stats.residentBytes);
  }

  /** A counter takes the engine's own count; a newly opened engine starts at 0, which Prometheus expects of counters. */
  #set(key: MetricKey, model: string, value: number, labels: Readonly<Record<string, string>>): void {
    const metric = this.#all.get(key);
    const all = { ...labels, [this.#model]: model };
    if (metric instanceof Gauge) metric.set(all, value);
    if (metric instanceof Counter) {
      metric.remove(all);
      metric.inc(all, value);
    }
  }
}

function newMetric(
  { kind, buckets }: MetricInfo,
  common: { name: string; help: string; labelNames: string[]; registers: Registry[] },
): Counter | Gauge | Histogram {
  switch (kind) {
    case "counter":
      return new Counter(common);
    case "gauge":
      return new Gauge(common);
    case "histogram":
      return new Histogram({ ...common, buckets: [...(buckets ?? [])] });
    default:
      return kind satisfies never;
  }
}
