/**
 * The string normaliser of the MATH benchmark (Hendrycks and others, 2021): two answers are equal if their normalised texts are. It is
 * strict (2/4 is not 1/2, 0.50 is not 0.5) and old, and published scores depend on every one of its steps, so they are kept in their order.
 * Spec: post-training.md sections 5.5 (level 1) and 11.17.
 * Deviation: where the original fails with an exception (`a/b` without integers, a `\frac` cut short) this leaves the text as it is.
 */

export function normalizeHendrycks(answer: string): string {
  let text = answer.replaceAll("\n", "").replaceAll("\\!", "").replaceAll("\\\\", "\\");
  text = text.replaceAll("tfrac", "frac").replaceAll("dfrac", "frac");
  text = text.replaceAll("\\left", "").replaceAll("\\right", "");
  text = text.replaceAll("^{\\circ}", "").replaceAll("^\\circ", "").replaceAll("\\$", "");
  text = withoutUnit(text).replaceAll("\\%", "").replaceAll("%", "");
  text = text.replaceAll(" .", " 0.").replaceAll("{.", "{0.");
  if (text.startsWith(".")) text = `0${text}`;
  text = valueOfShortEquation(text);
  text = bracedRoots(text).replaceAll(" ", "");
  text = bracedFractions(text);
  if (text === "0.5") return "\\frac{1}{2}";
  return slashFraction(text);
}

/** `\text{ ` begins a unit, if there is one of it. */
function withoutUnit(text: string): string {
  const parts = text.split("\\text{ ");
  return parts.length === 2 ? (parts[0] ?? "") : text;
}

function valueOfShortEquation(text: string): string {
  const [left = "", right = "", ...more] = text.split("=");
  return text.includes("=") && more.length === 0 && left.length <= 2 ? right : text;
}

/** `\sqrt3` becomes `\sqrt{3}`. */
function bracedRoots(text: string): string {
  const [first = "", ...rest] = text.split("\\sqrt");
  return (
    first +
    rest
      .map((part) => (part.startsWith("{") || part === "" ? `\\sqrt${part}` : `\\sqrt{${part[0]}}${part.slice(1)}`))
      .join("")
  );
}

/** `\frac12` becomes `\frac{1}{2}`, `\frac1{72}` becomes `\frac{1}{72}`. */
function bracedFractions(text: string): string {
  const [first = "", ...rest] = text.split("\\frac");
  if (rest.some((part) => !part.startsWith("{") && part.length < 2)) return text;
  const fixed = rest.map((part) => {
    if (part.startsWith("{")) return `\\frac${part}`;
    const after = part.slice(2);
    return part[1] === "{" ? `\\frac{${part[0]}}{${after}` : `\\frac{${part[0]}}{${part[1]}}${after}`;
  });
  return first + fixed.join("");
}

/** `1/2` becomes `\frac{1}{2}`; of two integers only, and only if they are written in the plainest way. */
function slashFraction(text: string): string {
  const found = /^(-?(?:0|[1-9]\d*))\/(-?(?:0|[1-9]\d*))$/.exec(text);
  return found ? `\\frac{${found[1]}}{${found[2]}}` : text;
}
