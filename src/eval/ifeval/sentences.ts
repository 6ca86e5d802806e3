/**
 * Sentences by rule: a text ends one at `.`, `!` or `?` (closing quotes and brackets included) before white space, unless the point belongs
 * to an abbreviation, an initial, or an ellipsis that goes on in small letters. IF-Eval counts sentences. Evaluation specification, 5.5.
 *
 * As with the published checker's splitter (Punkt for English), line breaks end nothing, a point ends a sentence whatever the next letter's
 * case, and the number of a list item ("1. Wash") is one of its own. Deviations: abbreviations are a list here, not learnt; marks of other
 * scripts (。！？।؟) end sentences too, without white space where the script has none.
 */

/** Never the last word of a sentence: something is named next. */
const titles = new Set(
  (
    "mr mrs ms dr prof rev hon sen rep gov gen col maj capt cmdr lt sgt st mt fr pres messrs vs viz cf figs eq nos " +
    "vol pp eds e.g i.e"
  ).split(" "),
);

/** May end a sentence: they do before a word that begins sentences. */
const enders = new Set(
  (
    "etc al jr sr inc ltd co corp bros dept est approx appt apt ave blvd rd ext misc univ assn intl ph.d m.d b.a m.a d.c " +
    "u.s u.k u.n e.u a.m p.m jan feb mar apr jun jul aug sep sept oct nov dec tue tues thu thurs oz lb lbs ft"
  ).split(" "),
);

/** Words in capitals that more often begin a sentence than go on with a name. */
const starters = new Set(
  (
    "the this that these those a an he she it we they you i his her its our their your my there here when while after " +
    "before if as in on at for from with by but and or so yet however therefore moreover furthermore also then thus what " +
    "who why how where some many most all no not one another each every both please let do does is are was were can " +
    "could would should will may"
  ).split(" "),
);

const boundary = /(?:[.!?]+["'”’)\]}»*_]*(?=\s|$)|[。！？।]+[”’」』）]*|؟+)/gu;

/** The number of sentences; a text that is not blank has at least one. */
export function countSentences(text: string): number {
  let count = 0;
  let start = 0;
  for (const match of text.matchAll(boundary)) {
    const end = match.index + match[0].length;
    if (!endsSentence(text.slice(start, match.index), match[0], text.slice(end, end + 80))) continue;
    count++;
    start = end;
  }
  return text.slice(start).trim() === "" ? count : count + 1;
}

/**
 * @param before the sentence so far, without its mark
 * @param mark the mark with what closes after it
 */
function endsSentence(before: string, mark: string, after: string): boolean {
  if (!/^\./.test(mark) || after.trim() === "") return true;
  const next = /[\p{L}\p{N}]+/u.exec(after)?.[0] ?? "";
  const nextIsSmall = /^\p{Ll}/u.test(next);
  if (mark.startsWith("..")) return !nextIsSmall;
  const word = /[^\s"'“”‘’()[\]{}*_]*$/u.exec(before)?.[0] ?? "";
  // "1. Wash" ends one, "in 1990. then" does not.
  if (/^\p{Nd}+$/u.test(word)) return !nextIsSmall;
  const known = word.toLowerCase();
  // "No. 5"; but the word: "I said no. Then".
  if (known === "no" && /^\p{Nd}/u.test(next)) return false;
  const startsSentence = starters.has(next.toLowerCase()) && !nextIsSmall;
  // "L. N. Tolstoy"; but the pronoun: "So do I. The rest".
  if (/^\p{Lu}$/u.test(word)) return startsSentence && word === "I";
  if (titles.has(known)) return false;
  if (enders.has(known) || /^(?:\p{L}\.)+\p{L}$/u.test(word)) return startsSentence;
  return true;
}
