/** Commands of the pages and of the help are ones that the program takes: known, with known options and values that these allow. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { root } from "./command.js";
import { commandsOfPage, examplesOfHelp, wordsOf } from "./printed.js";

/** Where a page leaves out what comes next, or speaks of processes around the command. */
const isElided = (command: string): boolean => command.includes("...");

/** A command of `fathom` and its sub-command, without what it does. @throws Error for a word that is none */
async function commandFor(words: readonly string[]): Promise<{ readonly command: Command; readonly rest: string[] }> {
  const [name = "", ...after] = words;
  const factories = (await import(`../../src/cli/${name}.ts`)) as Readonly<Record<string, () => Command>>;
  let command = factories[`${name}Command`]?.();
  let rest = after;
  while (command && command.commands.length > 0) {
    const [below, ...others] = rest;
    command = command.commands.find((each) => each.name() === below);
    rest = others;
  }
  if (!command) throw new Error(`fathom ${words.join(" ")}: no such command`);
  return { command, rest };
}

/** What the program would say of a command line; null if it took it. */
async function complaint(line: string): Promise<string | null> {
  try {
    const [, ...words] = wordsOf(line);
    const { command, rest } = await commandFor(words);
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    await command.action(() => {}).parseAsync(rest, { from: "user" });
    return null;
  } catch (error) {
    return `${line}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith(".md"))
  .map((name) => [name, commandsOfPage(readFileSync(join(root, name), "utf8"))] as const)
  .filter(([, commands]) => commands.length > 0);

test("the pages that are followed step by step have commands", () => {
  expect(Object.fromEntries(pages)).toMatchObject({
    "docs/fine-tune.md": expect.arrayContaining(["fathom sft --out runs/tea --resume"]),
    "docs/rewards.md": expect.arrayContaining(["fathom distill score judged"]),
  });
});

test.each(pages)("the program takes the commands of %s", async (_, commands) => {
  const complaints = await Promise.all(commands.filter((command) => !isElided(command)).map(complaint));
  expect(complaints.filter((each) => each !== null)).toEqual([]);
});

const withExamples = [
  ...[
    "pretrain",
    "extend",
    "sft",
    "reward",
    "dpo",
    "grpo",
    "distill",
    "judge",
    "generate",
    "chat",
    "serve",
    "eval",
    "score",
  ],
  ...["inspect", "init", "data", "convert", "download", "bench", "report"],
];
test.each(withExamples)("the program takes the examples of fathom %s --help", async (name) => {
  const factories = (await import(`../../src/cli/${name}.ts`)) as Readonly<Record<string, () => Command>>;
  const command = factories[`${name}Command`]?.();
  if (!command) throw new Error(`no command ${name}`);
  const all = [command, ...command.commands].flatMap((each) => {
    let help = "";
    each
      .configureOutput({
        writeOut: (text) => {
          help += text;
        },
      })
      .outputHelp();
    return examplesOfHelp(help);
  });
  expect(all.length).toBeGreaterThan(0);
  const complaints = await Promise.all(all.filter((each) => !isElided(each)).map(complaint));
  expect(complaints.filter((each) => each !== null)).toEqual([]);
});

test.each([
  ["fathom sfd --out x", "sfd"],
  ["fathom sft --model x --out y --lerning-rate 1e-3", "--lerning-rate"],
  ["fathom sft --model x", "--out"],
  ["fathom grpo --model x --out y --variant none", "--variant"],
  ["fathom data preveiw x", "no such command"],
  ["fathom distill score a b c", "too many arguments"],
])("what is wrong in %s is found", async (line, part) => {
  expect(await complaint(line)).toContain(part);
});
