/**
 * Verdicts of IF-Eval on a response, and the four figures made of them: the share of prompts all of whose instructions are followed and the
 * share of instructions followed, each strict and loose. Evaluation specification, 5.5.
 *
 * Loose forgives what wraps an answer: an instruction passes if it does in any of eight forms of the response, with or without its first
 * line, its last line and its asterisks.
 */
import { InstructionArguments } from "./arguments.js";
import { type InstructionId, instructionChecks } from "./checks.js";

/** The fields of a row that are checked. */
export interface IfEvalRow {
  readonly instruction_id_list: readonly string[];
  /** Arguments, instruction by instruction. */
  readonly kwargs: readonly Readonly<Record<string, unknown>>[];
}

/** Whether each instruction of a row is followed. */
export interface IfEvalVerdict {
  readonly strict: readonly boolean[];
  readonly loose: readonly boolean[];
}

export interface IfEvalScore {
  readonly promptStrict: number;
  readonly instructionStrict: number;
  readonly promptLoose: number;
  readonly instructionLoose: number;
}

/** @throws RangeError for an instruction that is none of the 25, or arguments that do not fit it */
export function checkInstructions(row: IfEvalRow, response: string): IfEvalVerdict {
  const { instruction_id_list: ids, kwargs } = row;
  if (ids.length !== kwargs.length) {
    throw new RangeError(`IF-Eval row: ${ids.length} instructions, but arguments for ${kwargs.length}`);
  }
  const forms = looseForms(response);
  const verdicts = ids.map((id, i) => {
    if (!isInstruction(id)) throw new RangeError(`IF-Eval row: no instruction is called ${JSON.stringify(id)}`);
    const args = new InstructionArguments(id, kwargs[i] ?? {});
    const passes = (text: string): boolean => text.trim() !== "" && instructionChecks[id](text, args);
    return { strict: passes(response), loose: forms.some(passes) };
  });
  return { strict: verdicts.map(({ strict }) => strict), loose: verdicts.map(({ loose }) => loose) };
}

export function ifEvalScore(verdicts: readonly IfEvalVerdict[]): IfEvalScore {
  if (verdicts.length === 0) throw new RangeError("ifEvalScore: no verdicts to count");
  const share = (passed: readonly boolean[]): number => passed.filter(Boolean).length / Math.max(1, passed.length);
  return {
    promptStrict: share(verdicts.map(({ strict }) => strict.every(Boolean))),
    instructionStrict: share(verdicts.flatMap(({ strict }) => strict)),
    promptLoose: share(verdicts.map(({ loose }) => loose.every(Boolean))),
    instructionLoose: share(verdicts.flatMap(({ loose }) => loose)),
  };
}

/** The eight forms; what is cut at line ends is also trimmed. */
function looseForms(response: string): string[] {
  const lines = response.split("\n");
  const cut = [lines.slice(1), lines.slice(0, -1), lines.slice(1, -1)].map((kept) => kept.join("\n").trim());
  return [response, ...cut].flatMap((form) => [form, form.replaceAll("*", "")]);
}

function isInstruction(id: string): id is InstructionId {
  return Object.hasOwn(instructionChecks, id);
}
