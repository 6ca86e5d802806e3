/** `fathom serve`: answers the API that OpenAI's clients speak, from one model or several. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import type { Model } from "../generate/request.js";
import type { FathomServer } from "../serve/server.js";
import type { MetricsNames, ServerSettings } from "../serve/settings.js";
import { described, type EngineFlags, engineOptions, openEngine } from "./engine.js";
import { hubName, localModel, modelHelp } from "./modelPath.js";
import { act, integerOption, numberOption, type Outcome, repeated, say, table } from "./output.js";

interface Flags extends EngineFlags {
  readonly alias?: readonly string[];
  readonly host?: string;
  readonly port?: number;
  readonly apiKeyFile?: string;
  readonly cors?: readonly string[];
  readonly metricsCompat?: MetricsNames;
  readonly metricsOpen?: boolean;
  readonly schemaErrors?: "400" | "422";
  readonly maxInFlight?: number;
  readonly maxConnections?: number;
  readonly maxBodyMegabytes?: number;
  readonly requestTimeout?: number;
  readonly receiveTimeout?: number;
  readonly drainTimeout?: number;
  readonly reload: boolean;
  readonly runs?: string;
  readonly logLevel?: string;
}

export function serveCommand(): Command {
  const seconds = (flags: string, text: string, usual: number): Option =>
    numberOption(flags, `${text} (default ${usual})`, 0.001, 86_400);
  const whole = (flags: string, text: string, usual: number, least: number, most: number): Option =>
    integerOption(flags, `${text} (default ${usual})`, least, most);
  const command = new Command("serve")
    .description("Serve models over HTTP: OpenAI's API for chats, completions and filling gaps.")
    .argument("<models...>", modelHelp)
    .optionsGroup("Models:")
    .option(
      "--alias <name>",
      "name in requests, for the models in their order (default: the directory's); may be repeated",
      repeated,
    )
    .addOption(integerOption("--max-batch <n>", "completions that run at once", 1, 1024))
    .option("--no-reload", "stay with the checkpoint of a run that is newest at the start");
  for (const option of engineOptions()) command.addOption(option);
  command
    .optionsGroup("Network:")
    .addOption(new Option("--host <address>", "address to listen on (default 127.0.0.1)"))
    .addOption(whole("--port <n>", "port to listen on, 0 = any free one", 8000, 0, 65_535))
    .option(
      "--api-key-file <path>",
      "keys that open the server, one a line (also: FATHOM_API_KEY, separated by commas)",
    )
    .option("--cors <origin>", "web pages elsewhere that may call, * for all; may be repeated", repeated)
    .optionsGroup("Limits:")
    .addOption(whole("--max-in-flight <n>", "completions of a model that may run or wait; more get 429", 512, 1, 1e6))
    .addOption(whole("--max-connections <n>", "open connections", 4096, 1, 1e6))
    .addOption(numberOption("--max-body-megabytes <n>", "largest body (default 4)", 0.001, 1024))
    .addOption(seconds("--request-timeout <seconds>", "for a whole answer", 600))
    .addOption(seconds("--receive-timeout <seconds>", "for a request to arrive", 30))
    .addOption(seconds("--drain-timeout <seconds>", "for what runs to end after SIGTERM", 30))
    .addOption(
      new Option("--schema-errors <status>", "of bodies that are not as they should be")
        .choices(["400", "422"])
        .default("400"),
    )
    .optionsGroup("Watching:")
    .addOption(
      new Option("--metrics-compat <server>", "names of /metrics as there").choices(["vllm", "sglang", "llamacpp"]),
    )
    .option("--runs <dir>", "folder of the runs that the page shows (default: the one a served run lies in, else runs)")
    .option("--metrics-open", "/metrics needs no key")
    .addOption(
      new Option("--log-level <level>", "one JSON line a request on standard error; never what was asked").choices([
        "debug",
        "info",
        "warn",
        "error",
        "silent",
      ]),
    )
    .addHelpText(
      "after",
      `
Examples:
  one model:       fathom serve runs/quickstart
  two, with names: fathom serve runs/a models/b --alias small --alias large --port 9000
  from the hub:    fathom serve hf:moonshotai/Moonlight-16B-A3B@main --weights int8`,
    );
  return act<Flags>(command, (models, flags) => serve(models, flags));
}

async function serve(names: readonly string[], flags: Flags): Promise<Outcome> {
  const { default: pino } = await import("pino");
  const { FathomServer } = await import("../serve/server.js");
  const { modelId } = await import("../serve/servedModels.js");
  const { builtWebFolder, pageRoutes } = await import("../serve/pageRoutes.js");
  const { readRunRecord } = await import("../train/runFiles.js");
  // A tokenizer made here has a chat template from the first day on, and a run that only pretrained has never seen a turn.
  const isForChats = ({ info, tokenizer }: Model): boolean =>
    typeof tokenizer?.chatTemplate === "string" &&
    !["pretrain", "extend"].includes(
      readRunRecord(dirname(dirname(resolve(info.adapter ?? info.directory))))?.stage ?? "",
    );
  const aliases = flags.alias ?? [];
  if (aliases.length > names.length) {
    throw new RangeError(`serve: ${aliases.length} names (--alias) for ${names.length} models`);
  }
  if (flags.adapter !== undefined && names.length > 1) {
    throw new RangeError(`serve: --adapter is for one model, not ${names.length}; name adapters themselves as models`);
  }
  const settings = await settingsOf(flags);
  if (settings.apiKeys.length === 0 && !/^(127\.|::1$|localhost$)/.test(settings.host)) {
    say(`fathom: ${settings.host} can be reached from other machines, and no API key is set (--api-key-file)`);
  }
  const models: { id: string; path: string }[] = [];
  for (const [i, name] of names.entries()) {
    const path = await localModel(name);
    models.push({ id: aliases[i] ?? hubName(name) ?? modelId(path), path });
  }
  const signals = new Signals();
  const server = await FathomServer.start({
    settings,
    models,
    open: (directory) => openEngine(directory, flags),
    log: pino({ level: flags.logLevel ?? "info", base: null }, pino.destination(2)),
    version: versionOfPackage(),
    page: ({ models: served }) =>
      pageRoutes({
        models: (id) => {
          const model = served.all.find((one) => one.id === id)?.current?.model;
          return model ? { ...model.info, isForChats: isForChats(model) } : null;
        },
        runsFolder: flags.runs ?? runsFolderOf(models.map(({ path }) => path)),
        webFolder: builtWebFolder(),
      }),
  });
  say(describe(server, settings));
  await signals.first;
  say("fathom: finishing what runs; once more ends it");
  await Promise.race([server.drain(), signals.second]);
  return { result: { url: server.url, models }, text: "" };
}

/** The folder of the first served run; else the one that commands put runs in. */
function runsFolderOf(paths: readonly string[]): string {
  for (const path of paths) {
    for (const run of [path, dirname(dirname(path))])
      if (existsSync(join(run, "run.json"))) return dirname(resolve(run));
  }
  return "runs";
}

/** SIGTERM and SIGINT: the first asks to drain, the second to end at once. */
class Signals {
  readonly first: Promise<void>;
  readonly second: Promise<void>;

  constructor() {
    let tell: (() => void)[] = [];
    this.first = new Promise((resolve) => tell.push(resolve));
    this.second = new Promise((resolve) => tell.push(resolve));
    const onSignal = (): void => {
      const [next, ...rest] = tell;
      tell = rest;
      next?.();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  }
}

async function settingsOf(flags: Flags): Promise<ServerSettings> {
  const { defaultSettings } = await import("../serve/settings.js");
  const { parseKeys } = await import("../serve/apiKeys.js");
  const fromFile = flags.apiKeyFile === undefined ? [] : parseKeys(readKeyFile(flags.apiKeyFile), flags.apiKeyFile);
  const fromEnvironment = parseKeys((process.env.FATHOM_API_KEY ?? "").replaceAll(",", "\n"), "FATHOM_API_KEY");
  return {
    ...defaultSettings,
    host: flags.host ?? defaultSettings.host,
    port: flags.port ?? defaultSettings.port,
    apiKeys: [...fromFile, ...fromEnvironment],
    corsOrigins: flags.cors ?? [],
    metricsNames: flags.metricsCompat ?? "fathom",
    metricsOpen: flags.metricsOpen ?? false,
    schemaErrorStatus: flags.schemaErrors === "422" ? 422 : 400,
    maxInFlight: flags.maxInFlight ?? defaultSettings.maxInFlight,
    maxConnections: flags.maxConnections ?? defaultSettings.maxConnections,
    maxBodyBytes: given(flags.maxBodyMegabytes, 2 ** 20, defaultSettings.maxBodyBytes),
    requestTimeoutMs: given(flags.requestTimeout, 1000, defaultSettings.requestTimeoutMs),
    receiveTimeoutMs: given(flags.receiveTimeout, 1000, defaultSettings.receiveTimeoutMs),
    drainMs: given(flags.drainTimeout, 1000, defaultSettings.drainMs),
    reloadMs: flags.reload ? defaultSettings.reloadMs : 0,
  };
}

/** A flag in the settings' unit. */
function given(value: number | undefined, unit: number, usual: number): number {
  return value === undefined ? usual : Math.max(1, Math.round(value * unit));
}

/** @throws RangeError for a file without keys: the server would be open to everyone */
function readKeyFile(path: string): string {
  const text = readFileSync(path, "utf8");
  if (text.trim() === "") throw new RangeError(`${path}: no key in it`);
  return text;
}

function describe(server: FathomServer, settings: ServerSettings): string {
  const rows = server.context.models.all.flatMap(({ id, current }) => {
    if (!current) return [];
    return [[id, ...described(current.model.info)]];
  });
  const keys = settings.apiKeys.length;
  const base = `${server.url}/v1`;
  return [
    table(rows),
    `listening on ${server.url} (${keys === 0 ? "no key needed" : `${keys} API key${keys === 1 ? "" : "s"}`}); base URL for clients: ${base}`,
  ].join("\n");
}

function versionOfPackage(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
