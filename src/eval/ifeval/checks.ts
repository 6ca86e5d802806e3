/**
 * The 25 kinds of instruction of IF-Eval (Zhou et al. 2023), each checked by a rule. Evaluation specification, 5.5.
 *
 * The rules are those of the published checker, patterns included, since figures are compared; what differs by library is the language
 * detector, the sentence splitter (their own files) and JSON: NaN and Infinity pass as JSON in Python and do not here.
 */
import { pythonRegex } from "../metrics/pythonRegex.js";
import type { InstructionArguments } from "./arguments.js";
import { detectLanguage } from "./language.js";
import { countSentences } from "./sentences.js";
import { capitalWords } from "./words.js";

export type InstructionId =
  | "keywords:existence"
  | "keywords:frequency"
  | "keywords:forbidden_words"
  | "keywords:letter_frequency"
  | "language:response_language"
  | "length_constraints:number_sentences"
  | "length_constraints:number_paragraphs"
  | "length_constraints:number_words"
  | "length_constraints:nth_paragraph_first_word"
  | "detectable_content:number_placeholders"
  | "detectable_content:postscript"
  | "detectable_format:number_bullet_lists"
  | "detectable_format:constrained_response"
  | "detectable_format:number_highlighted_sections"
  | "detectable_format:multiple_sections"
  | "detectable_format:json_format"
  | "detectable_format:title"
  | "combination:two_responses"
  | "combination:repeat_prompt"
  | "startend:end_checker"
  | "startend:quotation"
  | "change_case:capital_word_frequency"
  | "change_case:english_capital"
  | "change_case:english_lowercase"
  | "punctuation:no_comma";

/** Whether a response that is not empty follows the instruction. */
export type InstructionCheck = (response: string, args: InstructionArguments) => boolean;

export const instructionChecks: Readonly<Record<InstructionId, InstructionCheck>> = {
  "keywords:existence": (response, args) =>
    args.texts("keywords").every((keyword) => pythonRegex(keyword, "i").test(response)),

  "keywords:frequency": (response, args) =>
    args.compares("relation", matchCount(response, pythonRegex(args.text("keyword"), "gi")), args.count("frequency")),

  "keywords:forbidden_words": (response, args) =>
    !args.texts("forbidden_words").some((word) => pythonRegex(`\\b${word}\\b`, "i").test(response)),

  "keywords:letter_frequency": (response, args) => {
    const letter = args.text("letter").trim().toLowerCase();
    const count = [...response.toLowerCase()].filter((char) => char === letter).length;
    return args.compares("let_relation", count, args.count("let_frequency"));
  },

  // Where no language can be told the check passes, as the published one does when its detector fails.
  "language:response_language": (response, args) => isLanguage(response, args.text("language")),

  "length_constraints:number_sentences": (response, args) =>
    args.compares("relation", countSentences(response), args.count("num_sentences")),

  "length_constraints:number_paragraphs": (response, args) => {
    const pieces = response.split(/\s?\*\*\*\s?/u).map((piece) => piece.trim());
    const middle = pieces.slice(1, -1);
    if (middle.includes("")) return false;
    return pieces.filter((piece) => piece !== "").length === args.count("num_paragraphs");
  },

  "length_constraints:number_words": (response, args) =>
    args.compares("relation", matchCount(response, /[\p{L}\p{N}_]+/gu), args.count("num_words")),

  "length_constraints:nth_paragraph_first_word": (response, args) => {
    const paragraphs = response.split("\n\n");
    const full = paragraphs.filter((paragraph) => paragraph.trim() !== "").length;
    const nth = args.count("nth_paragraph");
    // Empty paragraphs are not counted, yet the nth one is looked up among all.
    if (nth > full) return false;
    const paragraph = paragraphs[nth - 1]?.trim() ?? "";
    if (paragraph === "") return false;
    const firstWord = (paragraph.split(/\s+/u)[0] ?? "").replace(/^'+/, "").replace(/^"+/, "");
    const bare = firstWord.split(/[.,?!'"]/)[0]?.toLowerCase();
    return full === args.count("num_paragraphs") && bare === args.text("first_word").toLowerCase();
  },

  "detectable_content:number_placeholders": (response, args) =>
    matchCount(response, /\[[^\n]*?\]/g) >= args.count("num_placeholders"),

  "detectable_content:postscript": (response, args) => {
    const marker = args.text("postscript_marker").trim().toLowerCase();
    // The two usual marks may have a space after each point; others are patterns as they stand.
    const known: Readonly<Record<string, string>> = { "p.p.s": "p\\.\\s?p\\.\\s?s", "p.s.": "p\\.\\s?s\\." };
    return pythonRegex(known[marker] ?? marker).test(response.toLowerCase());
  },

  "detectable_format:number_bullet_lists": (response, args) => {
    const stars = matchCount(response, /^\s*\*[^*][^\n]*$/gm);
    return stars + matchCount(response, /^\s*-[^\n]*$/gm) === args.count("num_bullets");
  },

  "detectable_format:constrained_response": (response) =>
    ["My answer is yes.", "My answer is no.", "My answer is maybe."].some((option) => response.includes(option)),

  "detectable_format:number_highlighted_sections": (response, args) => {
    // Of **x** the single pattern finds two empty pairs of stars, so it counts once; ***x*** counts by both.
    const single = [...response.matchAll(/\*([^\n*]*)\*/g)];
    const double = [...response.matchAll(/\*\*([^\n*]*)\*\*/g)];
    const full = [...single, ...double].filter(([, inside = ""]) => inside.trim() !== "");
    return full.length >= args.count("num_highlights");
  },

  "detectable_format:multiple_sections": (response, args) => {
    const splitter = pythonRegex(`\\s?${args.text("section_spliter").trim()}\\s?\\d+\\s?`, "g");
    return matchCount(response, splitter) >= args.count("num_sections");
  },

  "detectable_format:json_format": (response) => {
    const bare = response
      .trim()
      .replace(/^```(?:json|Json|JSON)?/, "")
      .replace(/```$/, "")
      .trim();
    try {
      JSON.parse(bare);
      return true;
    } catch {
      return false;
    }
  },

  "detectable_format:title": (response) =>
    [...response.matchAll(/<<[^\n]+>>/g)].some(([title]) => title.replace(/^<+|>+$/g, "").trim() !== ""),

  "combination:two_responses": (response) => {
    const parts = response.split("******").map((part) => part.trim());
    if (parts.slice(1, -1).includes("")) return false;
    const full = parts.filter((part) => part !== "");
    return full.length === 2 && full[0] !== full[1];
  },

  "combination:repeat_prompt": (response, args) =>
    response.trim().toLowerCase().startsWith(args.text("prompt_to_repeat").trim().toLowerCase()),

  "startend:end_checker": (response, args) =>
    response
      .trim()
      .replace(/^"+|"+$/g, "")
      .toLowerCase()
      .endsWith(args.text("end_phrase").trim().toLowerCase()),

  "startend:quotation": (response) => {
    const text = response.trim();
    return text.length > 1 && text.startsWith('"') && text.endsWith('"');
  },

  "change_case:capital_word_frequency": (response, args) =>
    args.compares("capital_relation", capitalWords(response).length, args.count("capital_frequency")),

  "change_case:english_capital": (response) =>
    /\p{Uppercase}/u.test(response) && !/\p{Lowercase}|\p{Lt}/u.test(response) && isLanguage(response, "en"),

  "change_case:english_lowercase": (response) =>
    /\p{Lowercase}/u.test(response) && !/\p{Uppercase}|\p{Lt}/u.test(response) && isLanguage(response, "en"),

  "punctuation:no_comma": (response) => !response.includes(","),
};

function isLanguage(response: string, code: string): boolean {
  const detected = detectLanguage(response);
  return detected === null || detected === code;
}

function matchCount(text: string, regex: RegExp): number {
  return [...text.matchAll(regex)].length;
}
