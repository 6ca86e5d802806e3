/**
 * Regular expressions written for Python, as task files of the evaluation harness and the rows of IF-Eval have them. Most mean the same in
 * JavaScript; what is written differently is rewritten, and what has no equal is refused rather than read another way.
 *
 * Rewritten: leading flags `(?is)`, `(?P<name>`, `(?P=name)`, `\A`, `\Z`, needless escapes, `{,3}`; `.`, `^` and `$`, which know the line
 * feed alone in Python (`$` also stands before a final one); `\w`, `\b` and `\d`, which know every script there. Refused: flags in the
 * middle, comments, conditionals, atomic and possessive forms, verbose mode, `\W` inside a class.
 * Deviation: `\s` is JavaScript's, which lacks four ASCII separators and has U+FEFF.
 */

const word = "_\\p{L}\\p{N}";
const boundary = `(?:(?<=[${word}])(?![${word}])|(?<![${word}])(?=[${word}]))`;
const notBoundary = `(?:(?<=[${word}])(?=[${word}])|(?<![${word}])(?![${word}]))`;

/**
 * @param flags JavaScript flags to add, `g` or `i` for instance; `u` is always there
 * @throws RangeError for what JavaScript has no equal of
 */
export function pythonRegex(source: string, flags = ""): RegExp {
  const leading = /^\(\?([aiLmsux]+)\)/.exec(source);
  const asked = new Set([...flags, "u"]);
  for (const flag of leading?.[1] ?? "") {
    if ("ims".includes(flag)) asked.add(flag);
    else if (flag !== "u") throw refused(source, `the flag (?${flag})`);
  }
  const body = translate(source, leading?.[0].length ?? 0, asked);
  try {
    return new RegExp(body, [...asked].sort().join(""));
  } catch (error) {
    throw refused(source, `this form (${error instanceof Error ? error.message : error})`);
  }
}

/** A pattern, for Python and JavaScript alike, that means the text itself. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function translate(source: string, start: number, flags: ReadonlySet<string>): string {
  let out = "";
  let inClass = false;
  for (let at = start; at < source.length; at++) {
    const char = source[at] ?? "";
    const rest = source.slice(at);
    if (char === "\\") {
      const next = String.fromCodePoint(source.codePointAt(at + 1) ?? 0);
      at += next.length;
      out += translateEscape(next, inClass, source);
      // After a class a hyphen is itself in Python; JavaScript would want a range's end.
      if (inClass && /[wdsSD]/.test(next) && source[at + 1] === "-") {
        out += "\\-";
        at++;
      }
    } else if (inClass) {
      out += char === "[" ? "\\[" : char;
      if (char === "]") inClass = false;
    } else if (char === "[") {
      // A closing bracket that comes first is one of the class.
      const opening = /^\[\^?\]?/.exec(rest)?.[0] ?? char;
      out += opening.endsWith("]") ? `${opening.slice(0, -1)}\\]` : opening;
      at += opening.length - 1;
      inClass = true;
    } else if (rest.startsWith("(?")) {
      const group = /^\(\?(?:P<(\w+)>|P=(\w+)\)|(?:[:=!]|<[=!]))/.exec(rest);
      if (!group) throw refused(source, `"${rest.slice(0, 4)}"`);
      if (group[1] !== undefined) out += `(?<${group[1]}>`;
      else out += group[2] === undefined ? group[0] : `\\k<${group[2]}>`;
      at += group[0].length - 1;
    } else if (/^(?:[*+?]|\{\d*(?:\d|,\d*)\})\+/.test(rest) && !rest.startsWith("{,}")) {
      throw refused(source, `the possessive "${rest.slice(0, rest.indexOf("+", 1) + 1)}"`);
    } else if (char === "{") {
      const quantifier = /^\{(?:\d+(?:,\d*)?|,\d+)\}/.exec(rest)?.[0];
      out += quantifier?.replace("{,", "{0,") ?? "\\{";
      at += (quantifier?.length ?? 1) - 1;
    } else if (char === "]" || char === "}") out += `\\${char}`;
    else if (char === "." && !flags.has("s")) out += "[^\\n]";
    else if (char === "^" && flags.has("m")) out += "(?<![^\\n])";
    else if (char === "$") out += flags.has("m") ? "(?![^\\n])" : "(?=\\n?(?![^]))";
    else out += char;
  }
  return out;
}

function translateEscape(next: string, inClass: boolean, source: string): string {
  switch (next) {
    case "A":
      return "(?<![^])";
    case "Z":
      return "(?![^])";
    case "b":
      return inClass ? "\\b" : boundary;
    case "B":
      return notBoundary;
    case "w":
      return inClass ? word : `[${word}]`;
    case "W":
      if (inClass) throw refused(source, "\\W inside a class");
      return `[^${word}]`;
    case "d":
      return "\\p{Nd}";
    case "D":
      return "\\P{Nd}";
    case "a":
      return "\\x07";
  }
  if (/^[sSnrtfvxu0-9]$/.test(next)) return `\\${next}`;
  if (/^[A-Za-z]$/.test(next)) throw refused(source, `the escape \\${next}`);
  // With the flag `u` JavaScript allows a backslash before marks of its syntax alone.
  return /^[\\^$.*+?()[\]{}|/]$/.test(next) || (next === "-" && inClass) ? `\\${next}` : next;
}

function refused(source: string, what: string): RangeError {
  const shown = JSON.stringify(source);
  return new RangeError(`regular expression ${shown}: ${what} has no equal in JavaScript; write it another way`);
}
