/** `fathom bench serve`: the server under load, in a process of its own, or one that runs already. */
import { Command, InvalidArgumentError, Option } from "commander";
import type { Peer } from "../bench/peerProcess.js";
import type { Scenario } from "../bench/serving/benchServing.js";
import type { Span } from "../bench/serving/loadPlan.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { benchOutcome, peerOption, repeatsOption, saveOption } from "./benchOutcome.js";
import { localModel, modelHelp } from "./modelPath.js";
import {
  act,
  grouped,
  integerOption,
  integersOption,
  interruptedCode,
  numberOption,
  type Outcome,
  say,
  threadsOption,
} from "./output.js";
import { arithmeticOption, quantDtypes, type WeightPrecision, weightsOption } from "./precision.js";
import { useThreads } from "./threads.js";

/** Typed by the bench's own list, which is loaded when it runs. */
const scenarioNames = ["single", "loads", "prefix", "long", "overload"] as const satisfies readonly Scenario[];

interface Flags {
  readonly model?: string;
  readonly url?: string;
  readonly preset: string;
  readonly out?: string;
  readonly threads?: number;
  readonly dtype?: ComputeDtype;
  readonly weights?: WeightPrecision;
  readonly scenario?: readonly Scenario[];
  readonly concurrency?: readonly number[];
  readonly rate?: number;
  readonly requests?: number;
  readonly promptTokens?: Span;
  readonly tokens?: Span;
  readonly sharedPrefix?: number;
  readonly prefixShare?: number;
  readonly longPrompt?: number;
  readonly seed?: number;
  readonly repeats?: number;
  readonly peer?: boolean;
  readonly save?: string;
}

const mostTokens = 2 ** 20;

export function serveBenchCommand(): Command {
  const command = new Command("serve")
    .description(
      "Load a server as its clients do: speed of one stream and of many, long and repeated prompts, too many requests.",
    )
    .optionsGroup("Server:")
    .option("--model <dir>", modelHelp)
    .option("--url <base>", "a server that runs (with a key: FATHOM_API_KEY); --model is then what it serves")
    .option("--preset <name>", "shape of the model that is made without --model and --url", "bench-0.9b")
    .option("--out <dir>", "where it is made and kept; used again if it is there (default: a temporary folder)")
    .addOption(threadsOption())
    .addOption(arithmeticOption())
    .addOption(weightsOption())
    .optionsGroup("Load:")
    .addOption(scenarioOption())
    .addOption(integersOption("--concurrency <list>", "clients that ask at once (default 1,4,16)", 1, 65_536))
    .addOption(numberOption("--rate <n>", "requests a second, in a Poisson process, as one more load", 0.001, 1e6))
    .addOption(integerOption("--requests <n>", "of each load (default: twice the clients, at least 8)", 1, mostTokens))
    .addOption(spanOption("--prompt-tokens <n>", "tokens of a prompt, or a range such as 128-512 (default 512)"))
    .addOption(spanOption("--tokens <n>", "tokens of an answer, or a range (default 128)"))
    .addOption(
      integerOption("--shared-prefix <n>", "tokens of a beginning that comes again (default 2000)", 1, mostTokens),
    )
    .addOption(numberOption("--prefix-share <share>", "of the loads' prompts that begin with it (default 0)", 0, 1))
    .addOption(integerOption("--long-prompt <n>", "tokens of a prompt beside streams (default 16384)", 1, mostTokens))
    .addOption(
      integerOption("--seed <n>", "of prompts, lengths and arrivals (default 1; drawn with --url)", 0, 2 ** 31),
    )
    .addOption(repeatsOption(5))
    .addOption(peerOption("decoding by node-llama-cpp (scenario single)"))
    .addOption(saveOption())
    .addHelpText(
      "after",
      `
Scenarios:
  single    one stream beside the same work in this process
  loads     --concurrency clients at once, and --rate requests a second
  prefix    a beginning of --shared-prefix tokens, the first time and again
  long      streams and /health beside a prompt of --long-prompt tokens
  overload  ten times the requests that the server can answer

Examples:
  fathom bench serve
  fathom bench serve --model runs/quickstart --scenario loads --concurrency 1,8 --prompt-tokens 64-256 --tokens 32
  fathom bench serve --url http://127.0.0.1:8000 --scenario loads --rate 4 --requests 100`,
    );
  return act<Flags>(command, (_, flags) => benchServe(flags));
}

function scenarioOption(): Option {
  const isName = (name: string): name is Scenario => scenarioNames.some((known) => known === name);
  return new Option("--scenario <list>", "what to run, separated by commas (default: all)").argParser((text) => {
    const names = text.split(",").map((name) => name.trim());
    if (!names.every(isName)) throw new InvalidArgumentError(`expected some of ${scenarioNames.join(", ")}.`);
    return names;
  });
}

/** An option that takes a whole number, or two of them as a range. */
function spanOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text): Span => {
    const [, first = "", second = first] = /^(\d+)(?:-(\d+))?$/.exec(text.trim()) ?? [];
    const [least, most] = [Number(first), Number(second)];
    if (first === "" || least < 1 || most < least || most > mostTokens) {
      throw new InvalidArgumentError(`expected a whole number from 1 to ${mostTokens}, or a range such as 128-512.`);
    }
    return { least, most };
  });
}

async function benchServe(flags: Flags): Promise<Outcome> {
  checkFlags(flags);
  const { mkdtempSync, rmSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const threads = await useThreads(flags.threads);
  if (flags.url !== undefined) return measure(flags, baseUrl(flags.url), await directoryOf(flags.model), threads);
  const isTemporary = flags.model === undefined && flags.out === undefined;
  const made = flags.out ?? (isTemporary ? mkdtempSync(join(tmpdir(), "fathom-bench-")) : "");
  // However this ends: what was made goes, and so does the server (serverProcess.ts).
  if (isTemporary) process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(interruptedCode));
  if (flags.model === undefined) await makeModel(made, flags);
  const directory = await directoryOf(flags.model ?? made);
  if (directory === null) throw new Error("internal: no model to serve");
  const { startServer } = await import("../bench/serving/serverProcess.js");
  const { fileURLToPath } = await import("node:url");
  say(`starting fathom serve ${directory}`);
  const words = [
    directory,
    ...["--threads", String(threads), "--speculation", "0", "--no-reload"],
    // Few enough to be overloaded soon, enough for the loads.
    ...["--max-in-flight", String(Math.max(32, ...concurrencyOf(flags)))],
    ...(flags.dtype === undefined ? [] : ["--dtype", flags.dtype]),
    ...(flags.weights === undefined ? [] : ["--weights", flags.weights]),
  ];
  const server = await startServer(fileURLToPath(new URL("./main.js", import.meta.url)), words, say);
  try {
    return await measure(flags, server.url, directory, threads);
  } finally {
    await server.close();
  }
}

/** @throws RangeError for flags that do not go together */
function checkFlags({ url, model, out, scenario, rate, prefixShare = 0, sharedPrefix, promptTokens }: Flags): void {
  const refuse = (what: string): never => {
    throw new RangeError(`bench serve: ${what}`);
  };
  if (out !== undefined && (url !== undefined || model !== undefined)) refuse("give --out, --model or --url, not both");
  if (url !== undefined) baseUrl(url);
  if (url !== undefined && model === undefined && scenario?.includes("single")) {
    refuse("--scenario single is held against the model in this process: give --model beside --url");
  }
  if (rate !== undefined && scenario && !scenario.includes("loads"))
    refuse("--rate is a load: add loads to --scenario");
  const least = promptTokens?.least ?? 512;
  if (prefixShare > 0 && (sharedPrefix === undefined || sharedPrefix >= least)) {
    refuse(`--prefix-share needs a --shared-prefix from 1 to ${least - 1}, fewer tokens than a prompt has`);
  }
}

/** @throws RangeError for what is no address of a server */
function baseUrl(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new RangeError(`bench serve: --url: expected an address such as http://127.0.0.1:8000, got ${text}`);
  }
  return text.replace(/\/+$/, "").replace(/\/v1$/, "");
}

function concurrencyOf({ concurrency = [1, 4, 16] }: Flags): readonly number[] {
  return concurrency;
}

async function directoryOf(model: string | undefined): Promise<string | null> {
  if (model === undefined) return null;
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  return resolveModelDirectory(await localModel(model));
}

/** Writes the random model that is served, if it is not there. */
async function makeModel(directory: string, flags: Flags): Promise<void> {
  const { existsSync } = await import("node:fs");
  const { join } = await import("node:path");
  if (existsSync(join(directory, "config.json"))) return;
  const { loadPreset } = await import("../model/presets.js");
  const { positionsFor, usualLengths } = await import("../bench/serving/benchServing.js");
  const { writeServedCheckpoint } = await import("../bench/serving/servedCheckpoint.js");
  const preset = loadPreset(flags.preset);
  const dtype = flags.dtype ?? (preset.torchDtype === "float32" ? "float32" : "bfloat16");
  const positions = positionsFor({ ...usualLengths, ...askedLengths(flags) });
  const bytes = writeServedCheckpoint(directory, preset, positions, dtype);
  say(`${directory}: ${flags.preset} with random weights, ${grouped(bytes)} bytes`);
}

function askedLengths({ promptTokens, tokens, sharedPrefix, longPrompt }: Flags): object {
  const given = { promptTokens, outputTokens: tokens, prefixTokens: sharedPrefix, longTokens: longPrompt };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** @param directory of the model that the server has, to be opened here too; null: not known */
async function measure(flags: Flags, url: string, directory: string | null, threads: number): Promise<Outcome> {
  const { randomInt } = await import("node:crypto");
  const { basename, resolve } = await import("node:path");
  const { benchServing, fittingLengths, scenarios } = await import("../bench/serving/benchServing.js");
  const { askServer } = await import("../bench/serving/serverFacts.js");
  const { LoadClient } = await import("../bench/serving/loadClient.js");
  const { openInProcess } = await import("../bench/serving/inProcess.js");
  const { writesText } = await import("../bench/serving/servedCheckpoint.js");
  if (directory !== null && !writesText(directory)) {
    throw new RangeError(`bench serve: ${directory}: no tokenizer.json; without one a stream does not show its tokens`);
  }
  const apiKey = flags.url === undefined ? null : (process.env.FATHOM_API_KEY ?? "").split(/[,\s]/)[0] || null;
  const facts = await askServer({ url, apiKey });
  const lengths = fittingLengths(askedLengths(flags), facts.maxPositions);
  const chosen = flags.scenario ?? scenarios.filter((name) => name !== "single" || directory !== null);
  if (chosen.length < scenarios.length && !flags.scenario) say("single stream: left out without --model");
  const named = flags.model ?? flags.out;
  const name = flags.url !== undefined ? facts.model : named === undefined ? flags.preset : basename(resolve(named));
  const label = [name, facts.weights ?? ""].join(" ").trim();
  const { promptTokens, outputTokens, prefixTokens, longTokens } = lengths;
  const range = ({ least, most }: Span): string =>
    least === most ? grouped(most) : `${grouped(least)}-${grouped(most)}`;
  say(
    `${url}: ${label}; prompts of ${range(promptTokens)} tokens, answers of ${range(outputTokens)}, prefix ${grouped(prefixTokens)}, long prompt ${grouped(longTokens)}`,
  );
  const weights = flags.weights && quantDtypes[flags.weights];
  const model =
    chosen.includes("single") && directory !== null ? openInProcess(directory, { dtype: flags.dtype, weights }) : null;
  const positions = promptTokens.most + outputTokens.most + 1;
  const peer =
    flags.peer && model && directory !== null ? await nodeLlama(directory, flags.weights, positions, threads) : null;
  const client = new LoadClient({ url, model: facts.model, apiKey });
  // A server that runs may have seen the prompts of another run.
  let seed = flags.seed ?? (flags.url === undefined ? 1 : randomInt(2 ** 31));
  const firstSeed = seed;
  const serving = { label, client, facts, threads, repeats: flags.repeats ?? 5, promptTokens, outputTokens, say };
  try {
    const { rows, loads } = await benchServing(
      { ...serving, nextSeed: () => seed++ },
      {
        scenarios: chosen,
        lengths,
        model,
        peer,
        concurrency: concurrencyOf(flags),
        rate: flags.rate ?? null,
        requests: flags.requests ?? null,
        sharedPrefix: flags.prefixShare ? { tokens: prefixTokens, share: flags.prefixShare } : null,
      },
    );
    return await benchOutcome({ rows }, flags.save, { url, firstSeed, loads });
  } finally {
    if (peer && "close" in peer) peer.close();
    model?.free();
    await client.close();
  }
}

/** Beside weights of 8 bits it gets Q8_0, else bfloat16. Its file is in a folder of its own and goes with the process. */
async function nodeLlama(
  directory: string,
  weights: WeightPrecision | undefined,
  positions: number,
  threads: number,
): Promise<Peer> {
  const { mkdtempSync, rmSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const { nodeLlamaPeer } = await import("../bench/peers.js");
  const { toGguf } = await import("./convert.js");
  const type = weights === "int8" || weights === "fp8" ? "q8_0" : "bf16";
  const writeModel = async (): Promise<{ path: string; type: typeof type }> => {
    const folder = mkdtempSync(join(tmpdir(), "fathom-peer-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, "model.gguf");
    await toGguf(directory, path, type);
    return { path, type };
  };
  return nodeLlamaPeer(writeModel, threads, positions);
}
