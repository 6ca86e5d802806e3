/**
 * The 32 ASCII punctuation marks (Python's `string.punctuation`): the set that reference metrics mean when they ignore punctuation.
 * Marks of other scripts stay, as they do there.
 */
const marks = /[!-/:-@[-`{-~]/g;

export function removeAsciiPunctuation(text: string): string {
  return text.replace(marks, "");
}
