/** `fathom bench prefill` and `fathom bench decode`. */
import { Command, Option } from "commander";
import type { Peer } from "../bench/peerProcess.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { benchOutcome, peerOption, repeatsOption, saveOption } from "./benchOutcome.js";
import { act, integerOption, integersOption, type Outcome, say, threadsOption } from "./output.js";
import { quantDtypes, type WeightPrecision } from "./precision.js";
import { useThreads } from "./threads.js";

interface ModelFlags {
  readonly preset: string;
  readonly dtype: ComputeDtype;
  readonly weights?: WeightPrecision;
  readonly threads?: number;
  readonly tokens?: number;
  readonly repeats?: number;
  readonly peer?: boolean;
  readonly save?: string;
}

function modelOptions(command: Command): Command {
  return command
    .option("--preset <name>", "a preset of configs/", "bench-0.9b")
    .addOption(new Option("--dtype <type>", "arithmetic").choices(["float32", "bfloat16"]).default("bfloat16"))
    .addOption(
      new Option(
        "--weights <precision>",
        "keep matrices, the head too, in 8 or 4 bits (default: in the arithmetic's type)",
      ).choices(Object.keys(quantDtypes)),
    )
    .addOption(threadsOption())
    .addOption(repeatsOption(5));
}

export function prefillCommand(): Command {
  const command = modelOptions(new Command("prefill").description("Time a prompt in one pass, on random weights."))
    .addOption(integerOption("--tokens <n>", "tokens of the prompt (default 512)", 1, 2 ** 20))
    .addOption(peerOption("llama.cpp, on Q8_0 and BF16"))
    .addOption(saveOption())
    .addHelpText("after", "\nExamples:\n  fathom bench prefill --tokens 512 --peer");
  return act<ModelFlags>(command, (_, flags) => benchPrefill(flags));
}

async function benchPrefill(flags: ModelFlags): Promise<Outcome> {
  const { config, precision, threads, repeats } = await opened(flags);
  const { tokens = 512 } = flags;
  if (tokens > config.maxPositionEmbeddings) {
    throw new RangeError(
      `bench prefill: ${tokens} tokens; ${flags.preset} has ${config.maxPositionEmbeddings} positions`,
    );
  }
  const { llamaPeer } = await import("../bench/peers.js");
  const most = Math.max(tokens, 128);
  const types = flags.peer ? (["q8_0", "bf16"] as const) : [];
  const peers = await Promise.all(types.map((type) => llamaPeer(flags.preset, type, threads, most)));
  const { benchPrefill: bench } = await import("../bench/prefill.js");
  const found = await bench(config, { ...precision, preset: flags.preset, tokens, repeats, threads, peers, say });
  close(peers);
  return benchOutcome(found, flags.save);
}

interface DecodeFlags extends ModelFlags {
  readonly depths?: readonly number[];
  readonly batch?: readonly number[];
}

export function decodeCommand(): Command {
  const command = modelOptions(new Command("decode").description("Time tokens one after the other, on random weights."))
    .addOption(integersOption("--depths <list>", "tokens in the cache before (default 0,512,4096)", 0, 2 ** 20))
    .addOption(integersOption("--batch <list>", "sequences that decode together (default 1)", 1, 1024))
    .addOption(integerOption("--tokens <n>", "tokens of a run (default 32)", 1, 2 ** 16))
    .addOption(peerOption("llama.cpp, on weights of the same size"))
    .addOption(saveOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fathom bench decode --weights int8 --depths 0,512,4096 --peer\n  fathom bench decode --batch 1,16 --depths 0",
    );
  return act<DecodeFlags>(command, (_, flags) => benchDecode(flags));
}

async function benchDecode(flags: DecodeFlags): Promise<Outcome> {
  const { config, precision, threads, repeats } = await opened(flags);
  const { depths = [0, 512, 4096], batch: batches = [1], tokens = 32 } = flags;
  const { benchDecode: bench, decodePositions } = await import("../bench/decode.js");
  const { llamaPeer } = await import("../bench/peers.js");
  const wanted = { depths, tokens, repeats };
  const start = (type: "q8_0" | "bf16"): Promise<Peer> =>
    llamaPeer(flags.preset, type, threads, Math.max(128, decodePositions(wanted)));
  let peer: Peer | null = null;
  if (flags.peer && flags.weights === "int4") peer = { missing: "no peer: its 4-bit types are other than ours" };
  else if (flags.peer) peer = await start(flags.weights ? "q8_0" : "bf16");
  const found = await bench(config, { ...precision, ...wanted, preset: flags.preset, batches, threads, peer, say });
  close(peer ? [peer] : []);
  return benchOutcome(found, flags.save);
}

async function opened({ preset, dtype, weights, threads, repeats = 5 }: ModelFlags) {
  const { loadPreset } = await import("../model/presets.js");
  const config = loadPreset(preset);
  const precision = { dtype, weights: weights ? quantDtypes[weights] : null };
  return { config, precision, threads: await useThreads(threads), repeats };
}

function close(peers: readonly Peer[]): void {
  for (const peer of peers) if ("close" in peer) peer.close();
}
