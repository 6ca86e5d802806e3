/**
 * Whether a text keeps to one language, as far as its writing tells: the share of its words in the script of the question (R1's language
 * consistency; post-training.md 2.3, 5.3). Formulas, code, commands and single letters are no words of a language. French amid English goes
 * unseen; what R1 speaks of, Chinese amid English, does not.
 */

const scripts = [
  ...["Latin", "Han", "Cyrillic", "Arabic", "Devanagari", "Greek", "Hebrew", "Hangul", "Hiragana", "Katakana"],
  ...["Thai", "Bengali", "Tamil", "Telugu", "Georgian", "Armenian"],
] as const;
export type Script = (typeof scripts)[number];

/** Japanese is written in three at once. */
const sameWriting: readonly ReadonlySet<Script>[] = [new Set<Script>(["Han", "Hiragana", "Katakana"])];

/** A word by its letters; of Han and kana each character is one. */
const words: readonly { readonly script: Script; readonly pattern: RegExp }[] = scripts.map((script) => {
  const letter = `\\p{Script=${script}}`;
  const isUnspaced = sameWriting.some((set) => set.has(script));
  return { script, pattern: new RegExp(isUnspaced ? letter : `${letter}[${letter}\\p{Mark}'’-]+`, "gu") };
});

/** Script of most words; null for a text without words. */
export function scriptOf(text: string): Script | null {
  let best: { readonly script: Script; readonly count: number } | null = null;
  for (const { script, count } of counted(text)) if (count > (best?.count ?? 0)) best = { script, count };
  return best?.script ?? null;
}

/** Share of a text's words in a script; 1 where there are no words, or no script is asked for. */
export function languageShare(text: string, script: Script | null): number {
  if (script === null) return 1;
  const counts = counted(text);
  const all = counts.reduce((sum, { count }) => sum + count, 0);
  const own = counts.filter((each) => isSameWriting(each.script, script)).reduce((sum, { count }) => sum + count, 0);
  return all === 0 ? 1 : own / all;
}

function isSameWriting(a: Script, b: Script): boolean {
  return a === b || sameWriting.some((set) => set.has(a) && set.has(b));
}

function counted(text: string): { readonly script: Script; readonly count: number }[] {
  const prose = text
    .replace(/```.*?(```|$)/gs, " ")
    .replace(/`[^`\n]*`/g, " ")
    .replace(/\$\$.*?\$\$|\$[^$\n]*\$|\\\[.*?\\\]|\\\(.*?\\\)/gs, " ")
    .replace(/\\[A-Za-z]+|<\/?think>/g, " ");
  return words.map(({ script, pattern }) => ({ script, count: prose.match(pattern)?.length ?? 0 }));
}
