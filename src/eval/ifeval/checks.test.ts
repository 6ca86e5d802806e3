import { expect, test } from "vitest";
import { InstructionArguments } from "./arguments.js";
import { type InstructionId, instructionChecks } from "./checks.js";

type Arguments = Readonly<Record<string, unknown>>;
/** Arguments, a response, whether it follows the instruction. */
type Case = readonly [Arguments, string, boolean];

const cases: Readonly<Record<InstructionId, readonly Case[]>> = {
  "keywords:existence": [
    [{ keywords: ["boat", "Sail"] }, "The BOATS set sail.", true],
    [{ keywords: ["boat", "sail"] }, "The boats left.", false],
  ],
  "keywords:frequency": [
    [{ keyword: "cat", frequency: 2, relation: "at least" }, "Cat, category", true],
    [{ keyword: "cat", frequency: 3, relation: "at least" }, "cat cat", false],
    [{ keyword: "cat", frequency: 2, relation: "less than" }, "cat", true],
    [{ keyword: "cat", frequency: 2, relation: "less than" }, "cat cat", false],
  ],
  "keywords:forbidden_words": [
    [{ forbidden_words: ["cat"] }, "a category of concats", true],
    [{ forbidden_words: ["dog", "cat"] }, "The Cat's paw", false],
  ],
  "keywords:letter_frequency": [
    [{ letter: "e", let_frequency: 3, let_relation: "at least" }, "Eel, bee", true],
    [{ letter: "E", let_frequency: 5, let_relation: "at least" }, "Eel, bee", false],
    [{ letter: "#", let_frequency: 3, let_relation: "less than" }, "# a ## b", false],
  ],
  "language:response_language": [
    [{ language: "de" }, "Das Boot liegt im Hafen.", true],
    [{ language: "de" }, "The boat is in the harbour.", false],
    [{ language: "de" }, "1 + 1 = 2", true], // no language to be told
  ],
  "length_constraints:number_sentences": [
    [{ num_sentences: 3, relation: "at least" }, "One. Two. Three.", true],
    [{ num_sentences: 3, relation: "less than" }, "One. Two. Three.", false],
  ],
  "length_constraints:number_paragraphs": [
    [{ num_paragraphs: 2 }, "one\n***\ntwo", true],
    [{ num_paragraphs: 2 }, "***\none\n***\ntwo\n***", true],
    [{ num_paragraphs: 2 }, "one\n***\n***\ntwo", false],
    [{ num_paragraphs: 3 }, "one\n\ntwo\n\nthree", false],
  ],
  "length_constraints:number_words": [
    [{ num_words: 4, relation: "at least" }, "don't count, three", true], // don, t, count, three
    [{ num_words: 3, relation: "less than" }, "naïve café", true],
    [{ num_words: 4, relation: "at least" }, "naïve café", false],
  ],
  "length_constraints:nth_paragraph_first_word": [
    [{ num_paragraphs: 2, nth_paragraph: 2, first_word: "However" }, 'One.\n\n"however, two', true],
    [{ num_paragraphs: 2, nth_paragraph: 2, first_word: "however" }, "However.\n\nBut two", false],
    [{ num_paragraphs: 3, nth_paragraph: 2, first_word: "but" }, "One.\n\nBut two", false],
    [{ num_paragraphs: 2, nth_paragraph: 3, first_word: "x" }, "a\n\nb", false],
    // The empty piece is not counted, yet is the second one.
    [{ num_paragraphs: 2, nth_paragraph: 2, first_word: "but" }, "One.\n\n\n\nBut two", false],
  ],
  "detectable_content:number_placeholders": [
    [{ num_placeholders: 2 }, "Dear [name], at [address]", true],
    [{ num_placeholders: 3 }, "[a] [b\nc] [d]", false],
  ],
  "detectable_content:postscript": [
    [{ postscript_marker: "P.S." }, "Bye.\n p. s. One more", true],
    [{ postscript_marker: "P.S." }, "Bye. PS one more", false],
    [{ postscript_marker: "P.P.S" }, "Bye.\nP.P. S. Again", true],
    [{ postscript_marker: "P.P.S" }, "Bye.\nP.S. Again", false],
    [{ postscript_marker: "Note:" }, "x\nNOTE: y", true],
  ],
  "detectable_format:number_bullet_lists": [
    [{ num_bullets: 3 }, "* a\n  * b\n- c", true],
    [{ num_bullets: 2 }, "* a\n**b**\n- c", true],
    [{ num_bullets: 2 }, "* a\n* b\n* c", false],
  ],
  "detectable_format:constrained_response": [
    [{}, "Well: My answer is maybe.", true],
    [{}, "My answer is Yes.", false],
  ],
  "detectable_format:number_highlighted_sections": [
    [{ num_highlights: 2 }, "*one* and **two**", true],
    [{ num_highlights: 2 }, "*one* and ** **", false],
    [{ num_highlights: 1 }, "* one\n* two", false], // bullets: no pair on a line
  ],
  "detectable_format:multiple_sections": [
    [{ section_spliter: "SECTION", num_sections: 2 }, "SECTION 1\na\nSECTION 2\nb", true],
    [{ section_spliter: "SECTION", num_sections: 2 }, "Section 1\na\nSECTION 2\nb", false],
  ],
  "detectable_format:json_format": [
    [{}, '```json\n{"a": [1, 2]}\n```', true],
    [{}, '```\n"text"\n```', true],
    [{}, "{'a': 1}", false],
    [{}, 'Here: {"a": 1}', false],
  ],
  "detectable_format:title": [
    [{}, "<<The Sea>>\nIt is wide.", true],
    [{}, "<< >>\n<<a\nb>>", false],
    [{}, "<The Sea>", false],
  ],
  "combination:two_responses": [
    [{}, "one\n******\ntwo", true],
    [{}, "******one******two", true],
    [{}, "one******one", false],
    [{}, "one************two", false],
    [{}, "one", false],
  ],
  "combination:repeat_prompt": [
    [{ prompt_to_repeat: "Write a poem. " }, "\nwrite a POEM.\nRoses", true],
    [{ prompt_to_repeat: "Write a poem." }, "Sure! Write a poem.", false],
  ],
  "startend:end_checker": [
    [{ end_phrase: "Any other questions?" }, 'Done. any other questions?" \n', true],
    [{ end_phrase: "Any other questions?" }, "Any other questions? Bye.", false],
  ],
  "startend:quotation": [
    [{}, ' "All of it." ', true],
    [{}, '"Half" of it', false],
    [{}, '"', false],
  ],
  "change_case:capital_word_frequency": [
    [{ capital_frequency: 3, capital_relation: "at least" }, "I LOVE U.S. food", true],
    [{ capital_frequency: 1, capital_relation: "less than" }, "Nothing But Names", true],
    [{ capital_frequency: 2, capital_relation: "less than" }, "DON'T", false], // DO, N'T
  ],
  "change_case:english_capital": [
    [{}, "THE BOAT IS IN THE HARBOUR, 7 M LONG.", true],
    [{}, "THE BOAT IS IN the HARBOUR.", false],
    [{}, "DAS BOOT IST IM HAFEN UND NICHT AUF SEE.", false],
    [{}, "123", false],
  ],
  "change_case:english_lowercase": [
    [{}, "the boat is in the harbour.", true],
    [{}, "The boat is in the harbour.", false],
    [{}, "das boot ist im hafen und nicht auf see.", false],
  ],
  "punctuation:no_comma": [
    [{}, "No commas here; none.", true],
    [{}, "One, two", false],
  ],
};

test.each(Object.entries(cases) as [InstructionId, readonly Case[]][])("%s is checked by its rule", (id, rows) => {
  const found = rows.map(([args, response]) => instructionChecks[id](response, new InstructionArguments(id, args)));
  expect(found).toEqual(rows.map(([, , follows]) => follows));
});

test("there are 25 kinds of instruction", () => {
  expect(Object.keys(instructionChecks).length).toBe(25);
});

test("arguments that are missing or of another kind are refused with the instruction's name", () => {
  const check = (id: InstructionId, args: Arguments): unknown =>
    instructionChecks[id]("text", new InstructionArguments(id, args));
  expect(() => check("keywords:existence", { keywords: null })).toThrow(
    "keywords:existence: keywords must be a list of texts, got null",
  );
  expect(() => check("length_constraints:number_words", { num_words: 3, relation: "about" })).toThrow(
    'relation must be "less than" or "at least", got "about"',
  );
  expect(() => check("detectable_content:number_placeholders", { num_placeholders: -1 })).toThrow(
    "num_placeholders must be a whole number from 0, got -1",
  );
  expect(check("detectable_content:number_placeholders", { num_placeholders: 0n })).toBe(true);
});
