#!/usr/bin/env node
/**
 * The command `fathom`. Commands are declared here with nothing but their options loaded, so that --help answers at once; each imports what
 * it needs when it runs.
 */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { benchCommand } from "./bench.js";
import { chatCommand } from "./chat.js";
import { convertCommand } from "./convert.js";
import { dataCommand } from "./data.js";
import { distillCommand } from "./distill.js";
import { doctorCommand } from "./doctor.js";
import { downloadCommand } from "./download.js";
import { dpoCommand } from "./dpo.js";
import { evalCommand } from "./eval.js";
import { extendCommand } from "./extend.js";
import { generateCommand } from "./generate.js";
import { grpoCommand } from "./grpo.js";
import { initCommand } from "./init.js";
import { inspectCommand } from "./inspect.js";
import { judgeCommand } from "./judge.js";
import { pretrainCommand } from "./pretrain.js";
import { quickstartCommand } from "./quickstart.js";
import { reportCommand } from "./report.js";
import { rewardCommand } from "./reward.js";
import { scoreCommand } from "./score.js";
import { serveCommand } from "./serve.js";
import { sftCommand } from "./sft.js";
import { tokenizerCommand } from "./tokenizer.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("fathom")
  .description("DeepSeek-V3, the whole system: train, evaluate and run models of its architecture on your own machine.")
  .version(version)
  .configureOutput({
    outputError: (text, write) => {
      write(
        `fathom: ${text
          .replace(/^error: /, "")
          .trim()
          .replaceAll("\n", " ")} (--help shows the options)\n`,
      );
    },
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

const commands = [
  quickstartCommand(),
  pretrainCommand(),
  extendCommand(),
  sftCommand(),
  rewardCommand(),
  dpoCommand(),
  grpoCommand(),
  distillCommand(),
  judgeCommand(),
  generateCommand(),
  chatCommand(),
  serveCommand(),
  evalCommand(),
  scoreCommand(),
  inspectCommand(),
  initCommand(),
  tokenizerCommand(),
  dataCommand(),
  convertCommand(),
  downloadCommand(),
  benchCommand(),
  doctorCommand(),
  reportCommand(),
];
for (const command of commands) program.addCommand(inheriting(command, program));

// Whoever read the output has gone (`| head`): a run goes on without a reader, and what only prints comes to its end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

await program.parseAsync();

/** A command and those below it, which report mistakes as the program does. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const below of command.commands) inheriting(below, command);
  return command;
}
