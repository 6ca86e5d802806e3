/**
 * Regular languages over bytes. A builder makes a nondeterministic automaton by fragments between two states (Thompson 1968); the
 * deterministic one is made from it state by state, as far as a text goes, so that following a byte costs one table look-up. Both are
 * capped: what a request asks for cannot take more memory than that.
 */

export const maxNfaStates = 200_000;
export const maxDfaStates = 50_000;

/** Appends what a language accepts, from a state on. @returns the state after it */
export type Fragment = (nfa: NfaBuilder, from: number) => number;

export class NfaBuilder {
  /** Per state: low, high, target of each byte range; then targets without a byte. */
  readonly edges: number[][] = [];
  readonly epsilons: number[][] = [];

  /** @throws RangeError if there would be more than maxNfaStates */
  state(): number {
    if (this.edges.length >= maxNfaStates) {
      throw new RangeError(`the grammar is too large: it needs more than ${maxNfaStates} states`);
    }
    this.edges.push([]);
    this.epsilons.push([]);
    return this.edges.length - 1;
  }

  bytes(from: number, low: number, high: number, to: number): void {
    this.edges[from]?.push(low, high, to);
  }

  epsilon(from: number, to: number): void {
    this.epsilons[from]?.push(to);
  }
}

/** One byte of a range. */
export function byteRange(low: number, high = low): Fragment {
  return (nfa, from) => {
    const to = nfa.state();
    nfa.bytes(from, low, high, to);
    return to;
  };
}

/** The text itself, as UTF-8. */
export function literal(text: string): Fragment {
  return sequence(...Array.from(new TextEncoder().encode(text), (byte) => byteRange(byte)));
}

export function sequence(...parts: readonly Fragment[]): Fragment {
  return (nfa, from) => parts.reduce((at, part) => part(nfa, at), from);
}

/** @throws RangeError for no choice at all, which nothing could match */
export function choice(...parts: readonly Fragment[]): Fragment {
  if (parts.length === 0) throw new RangeError("the grammar has a choice without alternatives");
  return (nfa, from) => {
    const to = nfa.state();
    for (const part of parts) {
      const begin = nfa.state();
      nfa.epsilon(from, begin);
      nfa.epsilon(part(nfa, begin), to);
    }
    return to;
  };
}

/** `least` to `most` times; most null = without end. */
export function repeat(part: Fragment, least: number, most: number | null): Fragment {
  return (nfa, from) => {
    let at = from;
    for (let i = 0; i < least; i++) at = part(nfa, at);
    if (most === null) {
      const loop = nfa.state();
      nfa.epsilon(at, loop);
      nfa.epsilon(part(nfa, loop), loop);
      return loop;
    }
    const to = nfa.state();
    nfa.epsilon(at, to);
    for (let i = least; i < most; i++) {
      at = part(nfa, at);
      nfa.epsilon(at, to);
    }
    return to;
  };
}

export const optional = (part: Fragment): Fragment => repeat(part, 0, 1);

/** No state: the text so far cannot be continued to one of the language. */
export const dead = -1;

export class Dfa {
  readonly start: number;
  readonly #nfa: NfaBuilder;
  readonly #accept: number;
  readonly #ids = new Map<string, number>();
  readonly #members: number[][] = [];
  readonly #next: Int32Array[] = [];
  readonly #accepts: boolean[] = [];

  /** The language of a fragment. Every state of it must lead to its end, as all fragments of this file do. */
  constructor(language: Fragment) {
    this.#nfa = new NfaBuilder();
    const begin = this.#nfa.state();
    this.#accept = language(this.#nfa, begin);
    this.start = this.#intern(this.#closure([begin]));
  }

  /** @returns the state after `byte`, or `dead` @throws RangeError past maxDfaStates */
  step(state: number, byte: number): number {
    const row = this.#next[state];
    if (!row) throw new Error(`internal: no automaton state ${state}`);
    const known = row[byte] ?? unknown;
    if (known !== unknown) return known;
    const targets: number[] = [];
    for (const member of this.#members[state] ?? []) {
      const edges = this.#nfa.edges[member] ?? [];
      for (let i = 0; i < edges.length; i += 3) {
        if (byte >= (edges[i] ?? 0) && byte <= (edges[i + 1] ?? 0)) targets.push(edges[i + 2] ?? 0);
      }
    }
    const next = targets.length === 0 ? dead : this.#intern(this.#closure(targets));
    row[byte] = next;
    return next;
  }

  accepts(state: number): boolean {
    return this.#accepts[state] ?? false;
  }

  /** Whether a text of the language may go on from here. */
  canContinue(state: number): boolean {
    return (this.#members[state] ?? []).some((member) => (this.#nfa.edges[member]?.length ?? 0) > 0);
  }

  matches(text: string): boolean {
    let state = this.start;
    for (const byte of new TextEncoder().encode(text)) {
      state = this.step(state, byte);
      if (state === dead) return false;
    }
    return this.accepts(state);
  }

  #closure(states: readonly number[]): number[] {
    const seen = new Set(states);
    const open = [...states];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      for (const to of this.#nfa.epsilons[state] ?? []) {
        if (!seen.has(to)) {
          seen.add(to);
          open.push(to);
        }
      }
    }
    // Only states with a byte to read, and the end, tell two sets apart.
    const kept = [...seen].filter((state) => state === this.#accept || (this.#nfa.edges[state]?.length ?? 0) > 0);
    return kept.sort((a, b) => a - b);
  }

  #intern(members: number[]): number {
    const key = members.join();
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#members.length >= maxDfaStates) {
      throw new RangeError(`the grammar is too large: matching needs more than ${maxDfaStates} states`);
    }
    const id = this.#members.length;
    this.#ids.set(key, id);
    this.#members.push(members);
    this.#next.push(new Int32Array(256).fill(unknown));
    this.#accepts.push(members.includes(this.#accept));
    return id;
  }
}

const unknown = -2;
