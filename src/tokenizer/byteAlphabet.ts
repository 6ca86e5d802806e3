/**
 * The byte alphabet of GPT-2: every byte has a printable character, so that token strings can stand in JSON. Printable
 * bytes stand for themselves; the others take U+0100, U+0101, ... in byte order (so a space is U+0120 and a newline U+010A).
 */

/** The character of each byte, by byte value. */
export const byteCharacters: readonly string[] = Array.from({ length: 256 }, (_, byte) => characterOf(byte));

/** All 256 bytes ordered by code point of their characters: the order in which a new vocabulary lists them. */
export const bytesByCharacter: readonly number[] = byteCharacters
  .map((character, byte) => ({ codePoint: character.charCodeAt(0), byte }))
  .sort((a, b) => a.codePoint - b.codePoint)
  .map(({ byte }) => byte);

const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  byteCharacters.map((character, byte) => [character, byte]),
);

/** The bytes that a token string stands for, or null if it has a character outside the alphabet. */
export function tokenBytes(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfCharacter.get(token[i]!);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}

/** The token string of some bytes; inverse of `tokenBytes`. */
export function tokenString(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byteCharacters[byte]!;
  return text;
}

function characterOf(byte: number): string {
  if (isPrintable(byte)) return String.fromCharCode(byte);
  let rank = 0;
  for (let lower = 0; lower < byte; lower++) if (!isPrintable(lower)) rank++;
  return String.fromCharCode(0x100 + rank);
}

/** `!` to `~`, and of Latin-1 U+00A1 to U+00AC and U+00AE to U+00FF (not the no-break space and the soft hyphen). */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}
