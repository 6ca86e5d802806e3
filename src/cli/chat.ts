/** `fathom chat`: talk to a model in the terminal, or give it a conversation through a pipe. */
import { Command } from "commander";
import type { Input } from "./chatInput.js";
import { type ChatSettings, settingOptions, settingsOf } from "./chatSettings.js";
import { described, type EngineFlags, engineOptions, openEngine } from "./engine.js";
import { localModel, modelHelp } from "./modelPath.js";
import { act, type Outcome, say } from "./output.js";

interface Flags extends EngineFlags, Partial<ChatSettings> {
  readonly system?: string;
  readonly prompt?: string;
  readonly load?: string;
  readonly save?: string;
  readonly json?: boolean;
}

export function chatCommand(): Command {
  const command = new Command("chat")
    .description("Talk to a model in the terminal; through a pipe, each line is a question.")
    .argument("<model>", modelHelp)
    .optionsGroup("Conversation:")
    .option("--system <text>", "what the model is told before everything else")
    .option("--prompt <text>", "ask this, print the answer, and end")
    .option("--load <file>", "go on with a conversation that was saved")
    .option("--save <file>", "write the conversation there at the end, as JSON")
    .optionsGroup("Answers:");
  for (const option of settingOptions()) command.addOption(option);
  command.optionsGroup("Model:");
  for (const option of engineOptions()) command.addOption(option);
  command.addHelpText(
    "after",
    `
Examples:
  a conversation:  fathom chat runs/quickstart --system "You answer briefly."
  one question:    fathom chat runs/quickstart --prompt "What is an expert?" --max-tokens 64
  from a file:     fathom chat runs/quickstart --json < questions.txt`,
  );
  return act<Flags>(command, ([model = ""], flags) => chat(model, flags, command.opts<Flags>().json ?? false));
}

async function chat(name: string, flags: Flags, isQuiet: boolean): Promise<Outcome> {
  const { chatRecord, loadChat, saveChat } = await import("./chatFile.js");
  const { ChatInput } = await import("./chatInput.js");
  const { ChatLoop } = await import("./chatLoop.js");
  const { StreamScreen } = await import("./chatScreen.js");
  const { ChatSession } = await import("./chatSession.js");
  const loaded = flags.load === undefined ? null : loadChat(flags.load); // before the model, which takes its time
  const model = await openEngine(await localModel(name), flags);
  try {
    const session = new ChatSession(model, settingsOf({ ...loaded?.settings, ...flags }));
    if (loaded) session.replace(loaded);
    if (flags.system !== undefined) session.system = flags.system;
    const isInteractive = flags.prompt === undefined && Boolean(process.stdin.isTTY && process.stderr.isTTY);
    const screen = new StreamScreen(isQuiet ? null : process.stdout, process.stderr, !process.env.NO_COLOR);
    const loop = new ChatLoop(session, screen, { isInteractive });
    if (isInteractive) {
      const [place = "", ...kept] = described(model.info);
      say(`${place}: ${kept.join(", ")}`);
      say('/help lists commands, """ begins a text of several lines, Ctrl-D ends');
    }
    const input =
      flags.prompt === undefined
        ? new ChatInput({
            input: process.stdin,
            output: process.stderr,
            isTerminal: isInteractive,
            onInterrupt: () => loop.interrupt(),
          })
        : null;
    const onSignal = (): void => {
      loop.interrupt();
      if (loop.isInterrupted) input?.close();
    };
    process.on("SIGINT", onSignal);
    try {
      await loop.run(input ? () => input.next() : once(flags.prompt ?? ""));
    } finally {
      process.off("SIGINT", onSignal);
      input?.close();
    }
    if (flags.save !== undefined) saveChat(flags.save, session);
    return { result: chatRecord(session), text: "", isInterrupted: loop.isInterrupted };
  } finally {
    await model.close();
  }
}

/** One question, which is never a command. */
function once(text: string): () => Promise<Input | null> {
  let left: Input | null = { kind: "text", text };
  return async () => {
    const input = left;
    left = null;
    return input;
  };
}
