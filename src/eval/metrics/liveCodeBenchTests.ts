/**
 * The hidden tests of LiveCodeBench problems: JSON, or base64 around zlib around a Python pickle of one string that holds the JSON.
 * Evaluation specification, 3.17.
 *
 * A pickle is a program, and a general reader of it runs whatever a file says. This one knows a single shape, one string and nothing else,
 * and refuses every other byte.
 */
import { inflateSync } from "node:zlib";

export interface LiveCodeBenchTest {
  readonly input: string;
  readonly output: string;
  readonly testtype: "stdin" | "functional";
}

/** Most bytes of inflated tests: a problem's largest are some tens of MB; a bomb is larger. */
const maxTestBytes = 512 * 2 ** 20;

/**
 * @param field `public_test_cases` or `private_test_cases` of a row
 * @throws RangeError naming the problem, for anything that is neither form
 */
export function liveCodeBenchTests(field: string, problem: string): LiveCodeBenchTest[] {
  const where = `LiveCodeBench ${problem}: test cases`;
  const text = field.trimStart().startsWith("[") ? field : packedText(field, where);
  let tests: unknown;
  try {
    tests = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${where} are not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!Array.isArray(tests)) throw new RangeError(`${where} must be a list, got ${typeof tests}`);
  return tests.map((test: unknown, i) => {
    const { input, output, testtype } = (test ?? {}) as Record<string, unknown>;
    if (typeof input !== "string" || typeof output !== "string") {
      throw new RangeError(`${where}: test ${i} must have the texts input and output`);
    }
    if (testtype !== "stdin" && testtype !== "functional") {
      throw new RangeError(
        `${where}: testtype of test ${i} must be stdin or functional, got ${JSON.stringify(testtype)}`,
      );
    }
    return { input, output, testtype };
  });
}

function packedText(field: string, where: string): string {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(field)) {
    throw new RangeError(`${where} are neither a JSON list nor base64: ${JSON.stringify(field.slice(0, 40))}`);
  }
  let pickle: Buffer;
  try {
    pickle = inflateSync(Buffer.from(field, "base64"), { maxOutputLength: maxTestBytes });
  } catch (error) {
    throw new RangeError(`${where} do not inflate: ${error instanceof Error ? error.message : error}`);
  }
  return readPickledString(pickle, where);
}

/**
 * The string of a pickle that holds one string: protocol 2 to 5, perhaps framed, perhaps put into the memo.
 * @throws RangeError at the first byte of any other shape
 */
export function readPickledString(pickle: Buffer, where = "pickle"): string {
  let at = 0;
  const need = (count: number): number => {
    if (at + count > pickle.length) throw new RangeError(`${where}: the pickle ends early, at byte ${pickle.length}`);
    at += count;
    return at - count;
  };
  const opcode = (): string => String.fromCharCode(pickle[need(1)] ?? 0);
  const refuse = (): RangeError =>
    new RangeError(
      `${where}: the pickle is not a single string (byte ${at - 1}); nothing else is read, since a pickle can run code`,
    );
  const length8 = (): number => {
    const length = pickle.readBigUInt64LE(need(8));
    if (length > BigInt(pickle.length))
      throw new RangeError(`${where}: the pickle ends early, at byte ${pickle.length}`);
    return Number(length);
  };
  let code = opcode();
  if (code === "\x80") {
    const protocol = pickle[need(1)] ?? 0;
    if (protocol < 2 || protocol > 5) throw new RangeError(`${where}: pickle protocol ${protocol} is not one of 2..5`);
    code = opcode();
  }
  if (code === "\x95") {
    length8(); // A frame only says how far to read ahead.
    code = opcode();
  }
  let length: number;
  if (code === "\x8c") length = pickle[need(1)] ?? 0;
  else if (code === "X") length = pickle.readUInt32LE(need(4));
  else if (code === "\x8d") length = length8();
  else throw refuse();
  const start = need(length);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(pickle.subarray(start, start + length));
  } catch {
    throw new RangeError(`${where}: the pickled string is not UTF-8`);
  }
  code = opcode();
  if (code === "q") need(1);
  else if (code === "r") need(4);
  if ("qr\x94".includes(code)) code = opcode();
  if (code !== ".") throw refuse();
  if (at !== pickle.length) throw new RangeError(`${where}: ${pickle.length - at} bytes follow the pickle's end`);
  return text;
}
