/** `fathom score`: the log-probability of every token of a text, by the main model and by its MTP modules. */
import { Command } from "commander";
import type { Window } from "../eval/bitsPerByte.js";
import type { Dispatched } from "../model/moe.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { modelHelp } from "./modelPath.js";
import { act, grouped, integerOption, type Outcome, table, threadsOption } from "./output.js";
import { adapterOption, arithmeticOption, headOption, type WeightPrecision, weightsOption } from "./precision.js";

interface Flags {
  readonly model: string;
  readonly ids?: string;
  readonly text?: string;
  readonly file?: string;
  readonly routing?: string;
  readonly window?: number;
  readonly stride?: number;
  readonly threads?: number;
  readonly dtype?: ComputeDtype;
  readonly weights?: WeightPrecision;
  readonly plainHead?: boolean;
  readonly adapter?: string;
}

export function scoreCommand(): Command {
  const command = new Command("score")
    .description("Log-probabilities of a text or of token ids, and bits per byte.")
    .requiredOption("--model <dir>", modelHelp)
    .option("--ids <list>", "token ids, separated by commas; needs no tokenizer")
    .option("--text <text>", "text to score; the start of a document is put before it")
    .option("--file <path>", "the same for a UTF-8 file")
    .option("--routing <file>", "write the experts and weights of each token and layer there, as JSON lines")
    .addOption(
      integerOption("--window <tokens>", "most tokens read at once (default: what the run validates with)", 2, 2 ** 24),
    )
    .addOption(integerOption("--stride <tokens>", "new tokens a window (default: half the window)", 1, 2 ** 24))
    .addOption(threadsOption())
    .addOption(arithmeticOption())
    .addOption(weightsOption())
    .addOption(headOption())
    .addOption(adapterOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fathom score --model runs/quickstart --file README.md\n  fathom score --model my-model --ids 3,1,4,1,5,9 --json",
    );
  return act<Flags>(command, (_, flags) => score(flags));
}

async function score(flags: Flags): Promise<Outcome> {
  const { readText } = await import("../data/documents.js");
  const { documentIds, scoreTokens } = await import("../eval/bitsPerByte.js");
  const { openModel } = await import("./models.js");
  const given = [flags.ids, flags.text, flags.file].filter((value) => value !== undefined);
  if (given.length !== 1) throw new RangeError("score: give exactly one of --ids, --text and --file");
  const { model, tokenizer, directory, window: usual, checkFiles } = await openModel(flags.model, flags);
  let ids: Int32Array;
  let bytes: number | null = null;
  if (flags.ids !== undefined) ids = parseIds(flags.ids);
  else {
    if (!tokenizer) throw new RangeError(`${directory}: no tokenizer.json; --ids works without one`);
    const content = flags.text === undefined ? readText(flags.file ?? "") : Buffer.from(flags.text, "utf8");
    if (content.length === 0) throw new RangeError("score: the text is empty");
    bytes = content.length;
    ids = documentIds(tokenizer, content);
  }
  const recorder = flags.routing === undefined ? null : new RoutingRecorder(ids.length);
  const window = flags.window ?? usual;
  const [scores] = await scoreTokens(model, [ids], {
    window,
    ...(flags.stride === undefined ? {} : { stride: flags.stride }),
    ...(recorder
      ? {
          onWindows: (windows: readonly Window[]) => recorder.begin(windows),
          onDispatched: (layer: number, dispatched: Dispatched) => recorder.see(layer, dispatched),
        }
      : {}),
  });
  checkFiles();
  model.free();
  const { logprobs, mtpLogprobs } = scores ?? { logprobs: [], mtpLogprobs: [] };
  const nats = -logprobs.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const bitsPerByte = bytes === null ? null : nats / Math.LN2 / bytes;
  if (recorder && flags.routing !== undefined) {
    const { writeFileAtomic } = await import("../files/atomic.js");
    writeFileAtomic(flags.routing, recorder.lines());
  }
  const counted = logprobs.filter((value) => value !== null).length;
  const text = table([
    ["tokens", grouped(ids.length)],
    ["mean log-probability", counted > 0 ? (-nats / counted).toFixed(6) : "none"],
    ...mtpLogprobs.map((values, k) => {
      const known = values.filter((value) => value !== null);
      const mean = known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length);
      return [`MTP depth ${k + 1}`, mean.toFixed(6)];
    }),
    ...(bitsPerByte === null ? [] : [["bits per byte", bitsPerByte.toFixed(4)]]),
  ]);
  return { result: { numTokens: ids.length, ids: Array.from(ids), logprobs, mtpLogprobs, bitsPerByte }, text };
}

function parseIds(list: string): Int32Array {
  return Int32Array.from(
    list.split(",").map((part) => {
      const id = Number(part);
      if (part.trim() === "" || !Number.isInteger(id) || id < 0 || id >= 2 ** 31) {
        throw new RangeError(`--ids: expected whole numbers separated by commas, got ${JSON.stringify(part)}`);
      }
      return id;
    }),
  );
}

/** Keeps the experts and weights of every token once, though windows overlap. */
class RoutingRecorder {
  readonly #tokens: Map<number, { experts: number[]; weights: number[] }>[];
  #windows: readonly Window[] = [];

  constructor(numTokens: number) {
    this.#tokens = Array.from({ length: numTokens }, () => new Map());
  }

  begin(windows: readonly Window[]): void {
    this.#windows = windows;
  }

  see(layer: number, { routing }: Dispatched): void {
    const experts = routing.experts.ints();
    const weights = routing.weights.floats();
    const k = routing.experts.columns;
    let row = 0;
    for (const { start, end, fresh } of this.#windows) {
      for (let at = start; at < end; at++, row++) {
        if (at < fresh) continue;
        this.#tokens[at]?.set(layer, {
          experts: Array.from(experts.subarray(row * k, (row + 1) * k)),
          weights: Array.from(weights.subarray(row * k, (row + 1) * k)),
        });
      }
    }
  }

  lines(): string {
    return this.#tokens
      .flatMap((layers, position) =>
        Array.from(layers, ([layer, routed]) => `${JSON.stringify({ position, layer, ...routed })}\n`),
      )
      .join("");
  }
}
