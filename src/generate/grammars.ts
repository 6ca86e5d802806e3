/** Grammars compiled for a tokenizer. The last few stay, with their masks: requests of one kind come again. */
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { Constraint, type Grammar, TokenBytes } from "./grammar/constraint.js";
import { grammarBytes } from "./grammar/toolCalls.js";

const kept = 16;

export class Grammars {
  readonly #tokenizer: Tokenizer | null;
  #bytes: TokenBytes | null = null;
  readonly #known = new Map<string, Constraint>();

  constructor(tokenizer: Tokenizer | null) {
    this.#tokenizer = tokenizer;
  }

  /** @throws RangeError naming what is wrong in the grammar */
  constraint(grammar: Grammar): Constraint {
    const key = JSON.stringify(grammar);
    const known = this.#known.get(key);
    if (known) this.#known.delete(key);
    const constraint = known ?? new Constraint(grammar, this.#tokenBytes());
    this.#known.set(key, constraint);
    if (this.#known.size > kept) this.#known.delete(this.#known.keys().next().value ?? "");
    return constraint;
  }

  /** The tokens that text consists of. */
  #tokenBytes(): TokenBytes {
    const tokenizer = this.#tokenizer;
    if (!tokenizer) throw new RangeError("the grammar needs a tokenizer, which this model has not");
    const isText = (id: number): boolean => tokenizer.hasToken(id) && !tokenizer.isSpecial(id);
    this.#bytes ??= new TokenBytes(tokenizer.vocabSize, (id) => {
      if (!isText(id)) return null;
      const bytes = tokenizer.idToBytes(id);
      return grammarBytes(bytes, Buffer.from(bytes).toString("utf8"));
    });
    return this.#bytes;
  }
}
