/**
 * Text <-> token ids, by a tokenizer.json of the byte-level-BPE family (DeepSeek's published files above all).
 * User text never becomes a control token: added tokens are looked for only when the caller asks (`allowSpecial`), for
 * text that a chat template or this program wrote. Ids equal those of Hugging Face `tokenizers`
 * (test/parity/tokenizer.test.ts); unlike there, an id without a token is an error and not skipped.
 */
import { isUtf8 } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { AddedTokenFinder } from "./addedTokens.js";
import { BpeEncoder, IdBuffer } from "./bpe.js";
import { tokenString } from "./byteAlphabet.js";
import { DeepSeekPretokenizer, type Pretokenizer } from "./pretokenize.js";
import { fimBegin, fimEnd, fimHole } from "./specialTokens.js";
import { StreamDecoder } from "./streamDecoder.js";
import { readTokenizerJson, type TokenizerTables } from "./tokenizerJson.js";

export interface EncodeOptions {
  /** Add what the file adds by itself (BOS, usually). Default false: a chat template has written it already. */
  readonly addSpecialTokens?: boolean;
  /** Turn the spelling of an added token into that token. Default false; never set it for text from outside. */
  readonly allowSpecial?: boolean;
  /** With `allowSpecial`: a character that is dropped once added tokens were found; inside a spelling it prevents one. */
  readonly guard?: string;
}

export interface DecodeOptions {
  /** Leave out tokens flagged special. Default false. */
  readonly skipSpecialTokens?: boolean;
}

/** Ids of fill-in-the-middle: begin, prefix, hole, suffix, end, then the middle. */
export interface FimIds {
  readonly begin: number;
  readonly hole: number;
  readonly end: number;
}

export interface Vocabulary {
  /** By id, bytes as GPT-2's alphabet spells them; null where no token has the id. */
  readonly tokens: readonly (string | null)[];
  /** By id: an added token, which no text becomes by itself. */
  readonly isControl: readonly boolean[];
  /** Two tokens with a space between, best first. */
  readonly merges: readonly string[];
  readonly addsBos: boolean;
}

export class Tokenizer {
  /** Largest id + 1; a model's embedding may have more rows, which no token uses. */
  readonly vocabSize: number;
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  readonly padTokenId: number | null;
  readonly fim: FimIds | null;
  /** Jinja source, or null. */
  readonly chatTemplate: string | null;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** Spellings of all added tokens. */
  readonly addedTokenTexts: readonly string[];
  /** The files as they were read; `save` writes them back. */
  readonly json: unknown;
  readonly config: Readonly<Record<string, unknown>>;

  readonly #tables: TokenizerTables;
  readonly #isSpecial: Uint8Array;
  readonly #encoder: BpeEncoder;
  readonly #finder: AddedTokenFinder;
  readonly #borders: Pretokenizer;
  readonly #before: readonly number[];
  readonly #after: readonly number[];
  #splits: Map<number, Int32Array> | null = null;

  private constructor(json: unknown, config: Readonly<Record<string, unknown>>, file: string, configFile: string) {
    const tables = readTokenizerJson(json, file);
    this.json = json;
    this.config = config;
    this.#tables = tables;
    this.vocabSize = tables.vocabSize;
    this.addedTokenTexts = tables.addedTokens.map((token) => token.content);
    this.#isSpecial = new Uint8Array(tables.vocabSize);
    for (const token of tables.addedTokens) if (token.special) this.#isSpecial[token.id] = 1;
    const textBytes = tables.bytes.map((bytes, id) => (tables.isText[id] ? bytes : null));
    this.#encoder = new BpeEncoder({ ...tables, tokenBytes: textBytes }, tables.newPretokenizer());
    this.#borders = tables.newPretokenizer();
    this.#finder = new AddedTokenFinder(tables.addedTokens, (text) => this.#normalized(text));

    const named = (key: string): string | null => configuredToken(config[key], `${configFile}: ${key}`);
    this.bosToken = named("bos_token");
    this.eosToken = named("eos_token");
    const idOf = (token: string | null, key: string): number | null => {
      if (token === null) return null;
      const id = tables.idOf.get(token);
      if (id === undefined)
        throw new RangeError(`${configFile}: ${key} is ${JSON.stringify(token)}, which ${file} lacks`);
      return id;
    };
    this.bosTokenId = idOf(this.bosToken, "bos_token");
    this.eosTokenId = idOf(this.eosToken, "eos_token");
    this.padTokenId = idOf(named("pad_token"), "pad_token");
    const [begin, hole, end] = [fimBegin, fimHole, fimEnd].map((token) => tables.idOf.get(token));
    this.fim = begin !== undefined && hole !== undefined && end !== undefined ? { begin, hole, end } : null;
    this.chatTemplate = configuredTemplate(config.chat_template, configFile);

    // The tokenizer class of the configuration adds BOS and EOS by these flags; without them the file's template decides.
    const adds = (flag: unknown, id: number | null, listed: readonly number[]): readonly number[] =>
      typeof flag !== "boolean" ? listed : flag && id !== null ? [id] : [];
    this.#before = adds(config.add_bos_token, this.bosTokenId, tables.template?.before ?? []);
    this.#after = adds(config.add_eos_token, this.eosTokenId, tables.template?.after ?? []);
  }

  /**
   * Reads tokenizer.json, and tokenizer_config.json and chat_template.jinja where they are.
   * @throws RangeError naming file and key for malformed or unsupported content
   */
  static fromDirectory(directory: string): Tokenizer {
    const file = join(directory, "tokenizer.json");
    if (!existsSync(file)) throw new RangeError(`${file}: no such file; expected a directory with a tokenizer`);
    const configFile = join(directory, "tokenizer_config.json");
    const templateFile = join(directory, "chat_template.jinja");
    let config: unknown = existsSync(configFile) ? parseJson(configFile) : {};
    if (isObject(config) && config.chat_template === undefined && existsSync(templateFile)) {
      config = { ...config, chat_template: readFileSync(templateFile, "utf8") };
    }
    return Tokenizer.fromJson(parseJson(file), config, file, configFile);
  }

  /** As `fromDirectory`, from parsed files; the last two arguments name them in errors. */
  static fromJson(
    json: unknown,
    config: unknown = {},
    file = "tokenizer.json",
    configFile = "tokenizer_config.json",
  ): Tokenizer {
    if (!isObject(config)) throw new RangeError(`${configFile}: expected an object`);
    return new Tokenizer(json, config, file, configFile);
  }

  /** Ids of a text. A lone surrogate counts as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const out = new IdBuffer(Math.max(16, text.length >> 1));
    if (options.addSpecialTokens) for (const id of this.#before) out.push(id);
    if (options.allowSpecial) {
      for (const part of this.#finder.split(wellFormed(text))) {
        if (typeof part === "number") out.push(part);
        else this.#encodeText(options.guard ? part.replaceAll(options.guard, "") : part, out);
      }
    } else this.#encodeText(this.#normalized(text), out);
    if (options.addSpecialTokens) for (const id of this.#after) out.push(id);
    return out.toArray();
  }

  /** Ids of UTF-8 text, never special ones; invalid bytes count as U+FFFD. Spares large files the way through a string. */
  encodeBytes(bytes: Uint8Array): Int32Array {
    const out = new IdBuffer(Math.max(16, bytes.length >> 1));
    this.encodeBytesInto(bytes, out);
    return out.toArray();
  }

  /** As `encodeBytes`, appending to `out`. */
  encodeBytesInto(bytes: Uint8Array, out: IdBuffer): void {
    const isPlain = this.#tables.normalization === null && isUtf8(bytes);
    if (isPlain) this.#encoder.encode(bytes, 0, bytes.length, out);
    else this.#encodeText(this.#normalized(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)), out);
  }

  /**
   * Where UTF-8 text can be cut without changing an id: the first such position at or after `from`, or -1 if there is none.
   */
  safeBorder(bytes: Uint8Array, from: number): number {
    return this.#tables.normalization === null ? this.#borders.safeBorder(bytes, from, bytes.length) : -1;
  }

  /**
   * Text of some ids; bytes that are no UTF-8 become U+FFFD.
   * @throws RangeError for an id without a token
   */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const decoder = this.decoder(options);
    let text = "";
    for (const id of ids) text += decoder.push(id);
    return text + decoder.flush();
  }

  /** Decodes token by token; the texts it returns join to what `decode` gives. */
  decoder(options: DecodeOptions = {}): StreamDecoder {
    return new StreamDecoder((id) => (options.skipSpecialTokens && this.#isSpecial[id] ? empty : this.idToBytes(id)));
  }

  /** The bytes a token stands for (a view); an added token is its spelling. */
  idToBytes(id: number): Uint8Array {
    const bytes = this.#tables.bytes[id];
    if (!bytes) throw new RangeError(`id ${id} has no token: the vocabulary has ids 0 to ${this.vocabSize - 1}`);
    return bytes;
  }

  /** Is there a token with this id? (A published vocabulary may have holes.) */
  hasToken(id: number): boolean {
    return Boolean(this.#tables.bytes[id]);
  }

  /** Is the token flagged special in the file? */
  isSpecial(id: number): boolean {
    return this.#isSpecial[id] === 1;
  }

  /** Id of a token as tokenizer.json spells it (added tokens as they are), or null. */
  tokenToId(token: string): number | null {
    return this.#tables.idOf.get(token) ?? null;
  }

  /**
   * For a token that joins punctuation and line breaks: the ids, two or more, that spell the same bytes with the line
   * breaks apart; null for every other id. Training replaces some such tokens (DeepSeek-V3 report, section 4.1).
   */
  splitCombined(id: number): Int32Array | null {
    this.#splits ??= this.#findCombined();
    return this.#splits.get(id) ?? null;
  }

  /**
   * The vocabulary as other programs keep it.
   * @throws RangeError for a pre-tokenizer other than DeepSeek-V3's, which such programs know by name
   */
  vocabulary(): Vocabulary {
    const { bytes, isText, merges, addedTokens, newPretokenizer } = this.#tables;
    if (!(newPretokenizer() instanceof DeepSeekPretokenizer)) {
      throw new RangeError("tokenizer.json: pre_tokenizer: only DeepSeek-V3's own has a name in other programs");
    }
    const added = new Map(addedTokens.map(({ id, content }) => [id, content]));
    const tokens = bytes.map((of, id) => added.get(id) ?? (of === null ? null : tokenString(of)));
    return {
      tokens,
      isControl: tokens.map((_, id) => !isText[id]),
      merges: Array.from(
        { length: merges.length / 3 },
        (_, i) => `${tokens[merges[3 * i] ?? 0]} ${tokens[merges[3 * i + 1] ?? 0]}`,
      ),
      addsBos: this.#before.length > 0,
    };
  }

  /** Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json, each whole or not at all. */
  save(directory: string): void {
    const write = (name: string, value: unknown): void =>
      writeFileAtomic(join(directory, name), `${JSON.stringify(value, null, 2)}\n`);
    write("tokenizer.json", this.json);
    write("tokenizer_config.json", this.config);
    const map: Record<string, unknown> = {};
    for (const key of ["bos_token", "eos_token", "pad_token"]) {
      const content = configuredToken(this.config[key], `tokenizer_config.json: ${key}`);
      if (content !== null) {
        map[key] = { content, lstrip: false, normalized: false, rstrip: false, single_word: false };
      }
    }
    write("special_tokens_map.json", map);
  }

  #normalized(text: string): string {
    const form = this.#tables.normalization;
    return form === null ? text : wellFormed(text).normalize(form);
  }

  #encodeText(text: string, out: IdBuffer): void {
    const bytes = utf8.encode(text); // a lone surrogate becomes U+FFFD
    this.#encoder.encode(bytes, 0, bytes.length, out);
  }

  #findCombined(): Map<number, Int32Array> {
    const splits = new Map<number, Int32Array>();
    for (let id = 0; id < this.vocabSize; id++) {
      const bytes = this.#tables.bytes[id];
      if (!bytes || !this.#tables.isText[id]) continue;
      const text = Buffer.from(bytes).toString("utf8");
      const match = /^( ?[\p{P}\p{S}]+)[\r\n]+$/u.exec(text);
      if (match === null) continue;
      const out = new IdBuffer(4);
      const cut = Buffer.byteLength(match[1]!, "utf8");
      this.#encoder.encodePiece(bytes.subarray(0, cut), out);
      this.#encoder.encodePiece(bytes.subarray(cut), out);
      splits.set(id, out.toArray());
    }
    return splits;
  }
}

const utf8 = new TextEncoder();
const empty = new Uint8Array(0);

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd"); // with the u flag only lone ones match
}

/** A token of tokenizer_config.json: text, or an object with its content. */
function configuredToken(value: unknown, where: string): string | null {
  if (value === undefined || value === null) return null;
  const content = isObject(value) ? value.content : value;
  if (typeof content !== "string") throw new RangeError(`${where}: expected a token, got ${JSON.stringify(value)}`);
  return content;
}

/** Either one template or a list of named ones, of which "default" is taken. */
function configuredTemplate(value: unknown, configFile: string): string | null {
  if (value === undefined || value === null) return null;
  const picked: unknown = Array.isArray(value)
    ? value.find((entry: unknown) => isObject(entry) && entry.name === "default")?.template
    : value;
  if (typeof picked === "string") return picked;
  throw new RangeError(`${configFile}: chat_template: expected a text or a list with one named "default"`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new RangeError(`${file}: not readable as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
