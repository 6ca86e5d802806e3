/** Looking for a marker in text that comes in pieces: what might be its beginning has to be held back. */

/** Length of the longest end of `text` that is a beginning of `marker`, the whole marker not counted. */
export function heldBack(text: string, marker: string): number {
  for (let length = Math.min(text.length, marker.length - 1); length > 0; length--) {
    if (text.endsWith(marker.slice(0, length))) return length;
  }
  return 0;
}
