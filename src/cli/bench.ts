/** `fathom bench`: figures beside the floor of the machine, measured in the same run, and beside other programs that do the same work. */
import { Command, Option } from "commander";
import type { ModelConfig } from "../model/config.js";
import { type TrainPrecision, trainPrecisions } from "../tensor/dtype.js";
import { allCommand, reportCommand } from "./benchAll.js";
import { loadCommand, quantizationCommand, tokenizerCommand } from "./benchFiles.js";
import { decodeCommand, prefillCommand } from "./benchInference.js";
import { beginBench, benchOutcome, peerOption, repeatsOption, saveOption } from "./benchOutcome.js";
import { serveBenchCommand } from "./benchServe.js";
import { speculationCommand } from "./benchSpeculation.js";
import { act, integerOption, integersOption, type Outcome, say, threadsOption } from "./output.js";
import { useThreads } from "./threads.js";

export function benchCommand(): Command {
  return new Command("bench")
    .description("Measure speed beside the floor of this machine, and beside other programs.")
    .hook("preAction", beginBench)
    .addCommand(kernelsCommand())
    .addCommand(trainCommand())
    .addCommand(prefillCommand())
    .addCommand(decodeCommand())
    .addCommand(javascriptCommand())
    .addCommand(quantizationCommand())
    .addCommand(speculationCommand())
    .addCommand(tokenizerCommand())
    .addCommand(loadCommand())
    .addCommand(serveBenchCommand())
    .addCommand(allCommand())
    .addCommand(reportCommand())
    .addHelpText(
      "after",
      "\nPeers that are not installed are told of in the rows; those of llama.cpp and oneDNN live in the folder FATHOM_PEERS\n(default: fathom-peers in the temporary folder).\n\nExamples:\n  fathom bench kernels --peer\n  fathom bench decode --weights int8 --depths 0,512,4096 --peer\n  fathom bench all --peer --save bench/results && fathom bench report",
    );
}

interface KernelFlags {
  readonly threads?: number;
  readonly repeats?: number;
  readonly quick?: boolean;
  readonly peer?: boolean;
  readonly save?: string;
}

function kernelsCommand(): Command {
  const command = new Command("kernels")
    .description("Time the kernels at the sizes of a model.")
    .addOption(threadsOption())
    .addOption(repeatsOption(5))
    .option("--quick", "small sizes, to see that it runs")
    .addOption(peerOption("oneDNN"))
    .addOption(saveOption());
  return act<KernelFlags>(command, async (_, { threads, repeats = 5, quick = false, peer = false, save }) => {
    const count = await useThreads(threads);
    const { benchKernels } = await import("../bench/kernels.js");
    const { onednnPeer } = await import("../bench/peers.js");
    const onednn = peer ? await onednnPeer(count) : null;
    const found = await benchKernels({ repeats, threads: count, shrink: quick ? 4 : 1, peer: onednn, say });
    if (onednn && "close" in onednn) onednn.close();
    return benchOutcome(found, save);
  });
}

interface JavascriptFlags {
  readonly train: string;
  readonly decode: string;
  readonly threads?: number;
  readonly repeats?: number;
  readonly save?: string;
}

function javascriptCommand(): Command {
  const command = new Command("javascript")
    .description("Time outside the kernels, as a share of a training step and of a decoded token.")
    .option("--train <preset>", "a preset to train", "small")
    .option("--decode <preset>", "a preset to decode with, int8 weights", "bench-0.9b")
    .addOption(threadsOption())
    .addOption(repeatsOption(5))
    .addOption(saveOption())
    .addHelpText("after", "\nExamples:\n  fathom bench javascript --threads 1");
  return act<JavascriptFlags>(command, async (_, flags) => {
    const { loadPreset } = await import("../model/presets.js");
    const { benchJavascript } = await import("../bench/javascript.js");
    const named = (preset: string) => ({ preset, config: loadPreset(preset) });
    const [training, decoding] = [named(flags.train), named(flags.decode)];
    const options = { repeats: flags.repeats ?? 5, threads: await useThreads(flags.threads), say };
    return benchOutcome(await benchJavascript(training, decoding, options), flags.save);
  });
}

interface TrainFlags {
  readonly preset: string;
  readonly steps?: number;
  readonly threads?: number;
  readonly dtype: TrainPrecision;
  readonly experts?: readonly number[];
  readonly length?: number;
  readonly batch?: number;
  readonly seed?: number;
  readonly recompute?: boolean;
  readonly beside?: TrainPrecision;
  readonly peer?: boolean;
  readonly save?: string;
}

function trainCommand(): Command {
  const command = new Command("train")
    .description("Train on random tokens: tokens per second, share of the peak, memory.")
    .requiredOption("--preset <name>", "a preset of configs/")
    .addOption(integerOption("--steps <n>", "steps to measure after two that warm up (default 5)", 1, 100_000))
    .addOption(threadsOption())
    .addOption(new Option("--dtype <type>", "arithmetic").choices([...trainPrecisions]).default("float32"))
    .addOption(integersOption("--experts <list>", "numbers of routed experts to try in the preset", 1, 4096))
    .addOption(integerOption("--length <tokens>", "tokens of a sequence (default: the preset's positions)", 2, 2 ** 20))
    .addOption(integerOption("--batch <sequences>", "sequences a step (default: 4096 tokens)", 1, 2 ** 20))
    .addOption(integerOption("--seed <n>", "seed of weights and tokens (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .option("--recompute", "compute norms and up-projections again in the backward")
    .addOption(
      new Option("--beside <type>", "take turns with another arithmetic of ours")
        .choices([...trainPrecisions])
        .conflicts(["peer", "experts"]),
    )
    .addOption(peerOption("the fastest PyTorch of float32, bfloat16 autocast and torch.compile"))
    .addOption(saveOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fathom bench train --preset small --steps 10 --threads 2 --peer\n  fathom bench train --preset small --dtype fp8 --beside bfloat16",
    );
  return act<TrainFlags>(command, (_, flags) => benchTrain(flags));
}

async function benchTrain(flags: TrainFlags): Promise<Outcome> {
  const { loadPreset } = await import("../model/presets.js");
  const preset = loadPreset(flags.preset);
  const threads = await useThreads(flags.threads);
  const sequenceLength = flags.length ?? preset.maxPositionEmbeddings;
  const batchSize = flags.batch ?? Math.max(1, Math.floor(4096 / sequenceLength));
  const { dtype, steps = 5, seed = 1, recompute = false } = flags;
  if (flags.peer && (flags.length !== undefined || flags.batch !== undefined || flags.experts !== undefined)) {
    throw new RangeError("bench train: the peer trains the preset as it is: leave out --length, --batch and --experts");
  }
  const variants = (flags.experts ?? [null]).map((experts) => ({
    config: experts === null ? preset : withExperts(preset, experts),
    variant: experts === null ? null : `${experts} experts`,
  }));
  say(`${flags.preset}: ${batchSize} x ${sequenceLength} tokens a step, ${dtype}, ${threads} threads`);
  const { benchBeside, benchTraining } = await import("../bench/training.js");
  const { fastestTorchMode, torchPeer } = await import("../bench/peers.js");
  const mode = flags.peer ? fastestTorchMode(flags.preset, threads, 3) : null;
  const runs = mode && (!("missing" in mode) ? await torchPeer(flags.preset, threads, mode.mode) : mode);
  const peakMemoryBytes = mode && !("missing" in mode) ? mode.peakMemoryBytes : 0;
  const peer = runs && { runs, peakMemoryBytes };
  const options = {
    preset: flags.preset,
    dtype,
    steps,
    threads,
    seed,
    sequenceLength,
    batchSize,
    recompute,
    peer,
    say,
  };
  const benches = [];
  for (const { config, variant } of variants) {
    benches.push(
      flags.beside === undefined
        ? await benchTraining(config, { ...options, variant })
        : await benchBeside(config, { ...options, variant, beside: flags.beside }),
    );
  }
  if (runs && "close" in runs) runs.close();
  const first = benches[0];
  if (!first) throw new Error("internal: nothing was measured");
  // The memory of a process is that of its largest model: one figure for several says nothing.
  const rows = benches.flatMap((bench) => (benches.length > 1 ? bench.rows.slice(0, 1) : bench.rows));
  const facts = { preset: flags.preset, threads, dtype, sequenceLength, batchSize, ...first.speed };
  return benchOutcome({ floors: first.floors, rows }, flags.save, facts);
}

/** @throws RangeError if the experts do not fit the preset's groups and choices */
function withExperts(config: ModelConfig, nRoutedExperts: number): ModelConfig {
  const { nGroup, numExpertsPerTok: k } = config;
  if (nRoutedExperts % nGroup !== 0 || k > nRoutedExperts) {
    throw new RangeError(
      `bench train: ${nRoutedExperts} experts do not divide into ${nGroup} groups with ${k} chosen of them`,
    );
  }
  return { ...config, nRoutedExperts };
}
