/**
 * Brings the many ways of typing mathematics to one: LaTeX, Unicode or plain keys become a small LaTeX with text in double quotes, without
 * delimiters, currency, degrees and spacing. Reads nothing into it: that is what expression.ts and structure.ts do.
 */
import { matchingBrace, withoutBoxes } from "./box.js";

export interface CleanText {
  readonly text: string;
  /** A percent sign or word was taken out. */
  readonly isPercent: boolean;
}

const symbols: Readonly<Record<string, string>> = {
  "−": "-",
  "–": "-",
  "×": "\\times ",
  "·": "\\cdot ",
  "⋅": "\\cdot ",
  "∙": "\\cdot ",
  "÷": "\\div ",
  "≤": "\\le ",
  "⩽": "\\le ",
  "≥": "\\ge ",
  "⩾": "\\ge ",
  "≠": "\\ne ",
  "≈": "\\approx ",
  π: "\\pi ",
  θ: "\\theta ",
  "∞": "\\infty ",
  "√": "\\sqrt ",
  "∪": "\\cup ",
  "∈": "\\in ",
  "±": "\\pm ",
  "½": "\\frac12 ",
  "⅓": "\\frac13 ",
  "⅔": "\\frac23 ",
  "¼": "\\frac14 ",
  "¾": "\\frac34 ",
  "％": "%",
  "，": ",",
  "：": ":",
  "（": "(",
  "）": ")",
  "\u00a0": " ",
  "\u2009": " ",
  "\u202f": " ",
};
const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

export function cleanMaths(answer: string): CleanText {
  let text = withoutBoxes(answer.trim());
  // Two backslashes end a row of a matrix; elsewhere they are one that was escaped twice.
  text = text.replaceAll("\\\\", text.includes("\\begin") ? "\\cr " : "\\");
  text = text.replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (run) => `^{${[...run].map((digit) => superscripts.indexOf(digit)).join("")}}`);
  text = text.replace(/[^\0-\u007f]/g, (character) => symbols[character] ?? character);
  text = text.replace(/[ \t\r\n]+/g, " ");
  // Delimiters of formulas, and currency.
  text = text.replace(/\\[()[\]]|\\?\$|[€£¥₹]/g, " ");
  text = text.replace(/\\(?:left|right|bigg?[lr]?|Bigg?[lr]?|displaystyle|textstyle|limits)(?![a-zA-Z])\.?/g, "");
  text = text
    .replace(/\{,\}/g, ",")
    .replace(/\\!/g, "")
    .replace(/\\(?:[,;: ]|q?quad(?![a-zA-Z]))|~/g, " ");
  text = text.replace(/\\[cdt]frac(?![a-zA-Z])/g, "\\frac").replace(/\\dbinom|\\tbinom/g, "\\binom");
  text = text.replace(/\\(?:leq|leqslant)(?![a-zA-Z])/g, "\\le").replace(/\\(?:geq|geqslant)(?![a-zA-Z])/g, "\\ge");
  text = text
    .replace(/\\neq(?![a-zA-Z])/g, "\\ne")
    .replace(/\\(?:lbrace)(?![a-zA-Z])/g, "\\{")
    .replace(/\\rbrace(?![a-zA-Z])/g, "\\}");
  text = text.replace(/<=/g, "\\le ").replace(/>=/g, "\\ge ").replace(/!=/g, "\\ne ");
  text = text.replace(/\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree(?![a-zA-Z])|°/g, "");
  text = quotedText(text);
  const withoutPercent = text.replace(
    /\\?%|"\s*(?:percent|per cent|pct\.?)\s*"|\b(?:percent|per cent|pct)\b\.?/gi,
    " ",
  );
  const isPercent = withoutPercent !== text;
  text = withoutPercent
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[\s.,;:。]+$/, "")
    .replace(/^[\s,;:]+/, "");
  return { text: text.trim(), isPercent };
}

const wrappers =
  /\\(text|textbf|textit|textrm|textsf|texttt|mbox|mathrm|mathbf|mathit|mathsf|mathcal|operatorname|bf|rm|emph)\*?\s*\{/;

/** `\text{...}` becomes a quoted word, `\mathbf{x}` a letter. */
function quotedText(text: string): string {
  let done = "";
  let rest = text.replaceAll('"', " ");
  for (;;) {
    const found = wrappers.exec(rest);
    if (!found) return done + rest;
    const open = found.index + found[0].length - 1;
    const end = matchingBrace(rest, open);
    if (end === null) return done + rest;
    const inner = rest
      .slice(open + 1, end)
      .replaceAll('"', " ")
      .trim();
    const isLetter = /^\\?[a-zA-Z]$/.test(inner) && !found[1]?.startsWith("text") && found[1] !== "mbox";
    done += rest.slice(0, found.index) + (isLetter ? ` ${inner} ` : inner === "" ? " " : ` "${inner}" `);
    rest = rest.slice(end + 1);
  }
}
