/**
 * Constrained decoding: which tokens may come next so that the whole text is one of a language (infrastructure.md 7.1). The tokens of a
 * vocabulary are sorted by their bytes once; a state's mask is made by walking that list, where tokens that begin alike share the steps and
 * a dead beginning skips all that share it. Masks are kept per state, so a long text costs a look-up a token. A state is a number: to
 * go back, after a rejected draft, is to keep the old one.
 */
import { choice, Dfa, dead, type Fragment, literal } from "./automaton.js";
import { type JsonSchema, jsonObject, jsonSchema } from "./jsonSchema.js";
import { regex } from "./regex.js";
import { type CallableTool, textWithCalls } from "./toolCalls.js";

/** What a request may ask for. */
export type Grammar =
  | { readonly kind: "json_schema"; readonly schema: JsonSchema }
  | { readonly kind: "json_object" }
  | { readonly kind: "regex"; readonly pattern: string }
  | { readonly kind: "choice"; readonly texts: readonly string[] }
  /** Free text in which tools may be called. */
  | { readonly kind: "tool_calls"; readonly tools: readonly CallableTool[] };

export const maxChoices = 2000;
const maxMaskBytes = 64 * 2 ** 20;

/** The bytes of a vocabulary's tokens in order; made once a tokenizer. */
export class TokenBytes {
  readonly vocabSize: number;
  /** Ids by their bytes; tokens without bytes of text (special ones) are left out. */
  readonly ids: Int32Array;
  readonly bytes: readonly Uint8Array[];
  /** Bytes that each token shares with the one before it in `ids`. */
  readonly shared: Int32Array;

  /** @param bytesOf text of a token, null for one that is no text */
  constructor(vocabSize: number, bytesOf: (id: number) => Uint8Array | null) {
    const tokens = Array.from({ length: vocabSize }, (_, id) => ({ id, bytes: bytesOf(id) }));
    const kept = tokens.flatMap(({ id, bytes }) => (bytes && bytes.length > 0 ? [{ id, bytes }] : []));
    kept.sort((a, b) => Buffer.compare(a.bytes, b.bytes) || a.id - b.id);
    this.vocabSize = vocabSize;
    this.ids = Int32Array.from(kept, ({ id }) => id);
    this.bytes = kept.map(({ bytes }) => bytes);
    this.shared = Int32Array.from(kept, ({ bytes }, i) => commonLength(bytes, kept[i - 1]?.bytes ?? new Uint8Array()));
  }
}

export class Constraint {
  readonly start: number;
  readonly #dfa: Dfa;
  readonly #tokens: TokenBytes;
  readonly #masks = new Map<number, Uint32Array>();
  readonly #bytesOf: ReadonlyMap<number, Uint8Array>;

  /** @throws RangeError naming what is wrong in the grammar */
  constructor(grammar: Grammar, tokens: TokenBytes) {
    this.#dfa = new Dfa(fragmentOf(grammar));
    this.#tokens = tokens;
    this.#bytesOf = new Map(Array.from(tokens.ids, (id, i) => [id, tokens.bytes[i] ?? new Uint8Array()]));
    this.start = this.#dfa.start;
  }

  /** The state after a token; `dead` if it may not come here. */
  advance(state: number, id: number): number {
    let at = state;
    for (const byte of this.#bytesOf.get(id) ?? []) {
      at = this.#dfa.step(at, byte);
      if (at === dead) return dead;
    }
    return this.#bytesOf.has(id) ? at : dead;
  }

  /** Whether the text may end here. */
  isComplete(state: number): boolean {
    return this.#dfa.accepts(state);
  }

  /** Whether it must: no token may follow. */
  isFinished(state: number): boolean {
    return this.#dfa.accepts(state) && !this.#dfa.canContinue(state);
  }

  /** Bit id % 32 of word id / 32 is set for every token that may come next. Not to be written to. */
  mask(state: number): Uint32Array {
    const known = this.#masks.get(state);
    if (known) return known;
    const mask = this.#walk(state);
    const most = Math.max(8, Math.floor(maxMaskBytes / mask.byteLength));
    if (this.#masks.size >= most) this.#masks.delete(this.#masks.keys().next().value ?? 0);
    this.#masks.set(state, mask);
    return mask;
  }

  #walk(state: number): Uint32Array {
    const { ids, bytes, shared, vocabSize } = this.#tokens;
    const mask = new Uint32Array(Math.ceil(vocabSize / 32));
    // states[d] is the state after d bytes of the token before; valid up to `depth`, and dead beyond it if `isDead`.
    const states = [state];
    let depth = 0;
    let isDead = false;
    for (let i = 0; i < ids.length; i++) {
      const token = bytes[i] ?? new Uint8Array();
      const common = shared[i] ?? 0;
      // The byte that was dead before lies within what is shared.
      if (isDead && common > depth) continue;
      depth = Math.min(depth, common);
      isDead = false;
      for (; depth < token.length; depth++) {
        const next = this.#dfa.step(states[depth] ?? dead, token[depth] ?? 0);
        if (next === dead) {
          isDead = true;
          break;
        }
        states[depth + 1] = next;
      }
      if (!isDead) {
        const id = ids[i] ?? 0;
        mask[id >>> 5] = (mask[id >>> 5] ?? 0) | (1 << (id & 31));
      }
    }
    return mask;
  }
}

/** Sets the logits of all tokens that may not come next to -Infinity. `end` ids stay as they are where the text may end. */
export function applyMask(logits: Float32Array, constraint: Constraint, state: number, end: readonly number[]): void {
  const mask = constraint.mask(state);
  const isComplete = constraint.isComplete(state);
  const kept = isComplete ? end.map((id) => [id, logits[id] ?? Number.NEGATIVE_INFINITY] as const) : [];
  for (let id = 0; id < logits.length; id++) {
    if (!((mask[id >>> 5] ?? 0) & (1 << (id & 31)))) logits[id] = Number.NEGATIVE_INFINITY;
  }
  for (const [id, logit] of kept) logits[id] = logit;
}

function fragmentOf(grammar: Grammar): Fragment {
  switch (grammar.kind) {
    case "json_schema":
      return jsonSchema(grammar.schema);
    case "json_object":
      return jsonObject();
    case "regex":
      return regex(grammar.pattern);
    case "choice":
      if (grammar.texts.length === 0 || grammar.texts.length > maxChoices) {
        throw new RangeError(`choice: must have 1 to ${maxChoices} texts, has ${grammar.texts.length}`);
      }
      return choice(...grammar.texts.map((text) => literal(text)));
    case "tool_calls":
      return textWithCalls(grammar.tools);
    default:
      return grammar satisfies never;
  }
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}
