/** What is said to the chat itself and not to the model: lines that begin with a slash. */
import { loadChat, saveChat } from "./chatFile.js";
import type { ChatSession } from "./chatSession.js";
import { describeSettings, parseSetting } from "./chatSettings.js";
import { grouped, table } from "./output.js";

export interface Reply {
  /** For people; "" = nothing to say. */
  readonly text: string;
  /** What the chat is to do next. Default: take the next line. */
  readonly next?: "retry" | "exit";
}

interface ChatCommand {
  readonly name: string;
  /** What follows the name. */
  readonly argument: string;
  readonly help: string;
  /** @throws RangeError for an argument that means nothing, or what cannot be done */
  readonly run: (session: ChatSession, argument: string) => Reply;
}

const commands: readonly ChatCommand[] = [
  {
    name: "help",
    argument: "",
    help: "this list",
    run: () => ({ text: help() }),
  },
  {
    name: "system",
    argument: "[text]",
    help: 'show the system prompt, or set it from the next answer on; "" removes it',
    run: (session, text) => {
      if (text !== "") session.system = text === '""' ? null : text;
      return { text: session.system === null ? "no system prompt" : `system prompt: ${session.system}` };
    },
  },
  {
    name: "set",
    argument: "[name value]",
    help: "show the settings, or change one: /set temperature 0.7",
    run: (session, argument) => {
      if (argument === "") return { text: describeSettings(session.settings) };
      const [name = "", ...rest] = argument.split(/\s+/);
      session.settings = { ...session.settings, ...parseSetting(name, rest.join(" ")) };
      return { text: `${name} ${rest.join(" ")}` };
    },
  },
  {
    name: "clear",
    argument: "",
    help: "forget all turns; the system prompt stays",
    run: (session) => {
      session.clear();
      return { text: "a new conversation" };
    },
  },
  {
    name: "undo",
    argument: "",
    help: "forget the last question and its answer",
    run: (session) => {
      session.undo();
      return { text: `${counted(session.turns.length / 2, "turn")} left` };
    },
  },
  {
    name: "retry",
    argument: "",
    help: "answer the last question anew",
    run: () => ({ text: "", next: "retry" }),
  },
  {
    name: "save",
    argument: "<file>",
    help: "write the conversation and its settings as JSON",
    run: (session, path) => {
      saveChat(named(path, "/save"), session);
      return { text: `${path}: ${counted(session.turns.length / 2, "turn")} saved` };
    },
  },
  {
    name: "load",
    argument: "<file>",
    help: "go on with a conversation that was saved",
    run: (session, path) => {
      const { settings, ...conversation } = loadChat(named(path, "/load"));
      session.replace(conversation);
      session.settings = { ...session.settings, ...settings };
      return { text: `${path}: ${counted(session.turns.length / 2, "turn")} loaded` };
    },
  },
  {
    name: "tokens",
    argument: "",
    help: "how long the conversation is, and what the last answer took",
    run: (session) => {
      const all = `${grouped(session.numTokens())} of ${grouped(session.model.info.maxPositions)} positions`;
      const last = session.lastUsage;
      if (!last) return { text: all };
      const { promptTokens, cachedTokens, completionTokens } = last;
      return {
        text: `${all}; last answer: ${grouped(promptTokens)} read, ${grouped(cachedTokens)} of them from the cache, ${grouped(completionTokens)} written`,
      };
    },
  },
  { name: "exit", argument: "", help: "end, as Ctrl-D does", run: () => ({ text: "", next: "exit" }) },
];

/** @param line begins with a slash @throws RangeError for a command that does not exist or cannot be done */
export function runCommand(line: string, session: ChatSession): Reply {
  const [, name = "", rest = ""] = /^\/(\S*)\s*(.*)$/.exec(line) ?? [];
  const command = commands.find((each) => each.name === name);
  if (!command) throw new RangeError(`/${name}: no such command; /help lists them, // begins a text with a slash`);
  const argument = rest.trim();
  if (command.argument === "" && argument !== "") {
    throw new RangeError(`/${name}: takes nothing after it, got ${JSON.stringify(argument)}`);
  }
  return command.run(session, argument);
}

function help(): string {
  const rows = commands.map(({ name, argument, help: text }) => [`/${name} ${argument}`.trimEnd(), text]);
  return [
    table(rows),
    'A line that ends in \\ goes on in the next; """ begins and ends a text of several lines; pasted lines stay together.',
    "Ctrl-C stops an answer, Ctrl-D ends.",
  ].join("\n");
}

function named(path: string, command: string): string {
  if (path === "") throw new RangeError(`${command}: which file? ${command} chat.json`);
  return path;
}

function counted(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;
}
