/** What whoever starts a server may decide, with what holds if they don't. */
export type MetricsNames = "fathom" | "vllm" | "sglang" | "llamacpp";

export interface ServerSettings {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Bearer tokens, any of which opens every route; none: no key is asked for. */
  readonly apiKeys: readonly string[];
  /** Web pages elsewhere that may call: origins, or "*". */
  readonly corsOrigins: readonly string[];
  readonly metricsNames: MetricsNames;
  /** Metrics can be read without a key. */
  readonly metricsOpen: boolean;
  readonly schemaErrorStatus: 400 | 422;
  readonly maxBodyBytes: number;
  /** Completions that may run or wait, of one model; more are sent away with 429. */
  readonly maxInFlight: number;
  readonly maxConnections: number;
  /** From the arrival of a request to the end of its answer. */
  readonly requestTimeoutMs: number;
  /** For a request's head, and for its body, to arrive. */
  readonly receiveTimeoutMs: number;
  /** Silence of a stream after which a comment is sent. */
  readonly keepAliveMs: number;
  /** What is still running this long after SIGTERM is ended. */
  readonly drainMs: number;
  /** How often runs are looked at for a new checkpoint; 0: never. */
  readonly reloadMs: number;
  readonly templateMs: number;
  /** Texts longer than this are turned into tokens in another thread. */
  readonly longTextCharacters: number;
}

export const defaultSettings: ServerSettings = {
  host: "127.0.0.1",
  port: 8000,
  apiKeys: [],
  corsOrigins: [],
  metricsNames: "fathom",
  metricsOpen: false,
  schemaErrorStatus: 400,
  maxBodyBytes: 4 * 2 ** 20,
  maxInFlight: 512,
  maxConnections: 4096,
  requestTimeoutMs: 600_000,
  receiveTimeoutMs: 30_000,
  keepAliveMs: 10_000,
  drainMs: 30_000,
  reloadMs: 2000,
  templateMs: 250,
  longTextCharacters: 65_536,
};
