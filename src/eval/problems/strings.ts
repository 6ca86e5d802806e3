/** Operations on letters and words. Single words are made of syllables, so that there are more than anyone has read; phrases of real ones. */
import { boxed, isInteger, isText } from "./answers.js";
import type { Draft, Family, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

const consonants = "bcdfghjklmnprstvwz";
const vowels = "aeiou";

const nouns: readonly string[] = [
  ...["apple", "arrow", "autumn", "basket", "beach", "bell", "boat", "bread", "bridge", "brush", "butter", "candle"],
  ...["carpet", "chair", "cloud", "coat", "corner", "cotton", "cup", "door", "drum", "engine", "farm", "feather"],
  ...["field", "flag", "forest", "garden", "glass", "grain", "hammer", "harbour", "hill", "honey", "island", "jacket"],
  ...["kettle", "ladder", "lake", "lamp", "leaf", "lemon", "letter", "market", "meadow", "mirror", "moon", "needle"],
  ...["ocean", "orange", "paper", "pencil", "pepper", "plate", "pocket", "river", "road", "rope", "sand", "silver"],
  ...["spoon", "station", "stone", "summer", "table", "tower", "valley", "window"],
];

export const strings: Family = {
  about: "operations on letters and words",
  splitKey: "strings",
  levels: [
    { about: "words of 2 syllables, phrases of 3 words", kinds: kindsOf(2, 3) },
    { about: "words of 3 syllables, phrases of 4 words", kinds: kindsOf(3, 4) },
    { about: "words of 4 syllables, phrases of 6 words", kinds: kindsOf(4, 6) },
  ],
  close: boxed,
  check: (problem, response) => (/^\d+$/.test(problem.answer) ? isInteger : isText)(response, problem.answer),
};

interface Worked {
  readonly prompts: readonly [plain: string, ...others: string[]];
  readonly answer: string;
  readonly method: string;
  readonly work: readonly string[];
  readonly check: readonly string[];
  readonly wrong: string;
}

/** @param syllables of the word that a question is about @param words of a phrase */
function kindsOf(syllables: number, words: number): readonly Kind[] {
  const word = new Array<number>(2 * syllables).fill(0).map((_, i) => (i % 2 === 0 ? consonants : vowels).length);
  const ending = consonants.length;
  const phrase = new Array<number>(words).fill(nouns.length);
  const onWord = (name: string, operation: (word: string, wording: Wording) => Worked): Kind => ({
    name,
    bases: [...word, ending],
    make: (values, wording) => draft(operation(spell(values), wording), wording),
  });
  const onPhrase = (name: string, operation: (words: readonly string[], wording: Wording) => Worked): Kind => ({
    name,
    bases: phrase,
    make: (values, wording) => draft(operation(values.map(nounAt), wording), wording),
  });
  return [
    onWord("reverse", reversed),
    onWord("sort-letters", sortedLetters),
    onWord("without-vowels", withoutVowels),
    {
      name: "replace",
      bases: [...word, ending, consonants.length - 1],
      make: (values, wording) => {
        const letters = values.slice(0, -1);
        // The place follows from the word: a letter that stands twice would else be asked for by two ranks.
        const at = letters.reduce((sum, value) => sum + value, 0) % letters.length;
        return draft(replaced(spell(letters), at, values.at(-1) ?? 0, wording), wording);
      },
    },
    onPhrase("capitalise", capitalised),
    onPhrase("last-letters", lastLetters),
    onPhrase("reverse-words", reversedWords),
    {
      name: "nth-word",
      bases: [...phrase, words],
      make: (values, wording) => draft(nthWord(values.slice(0, -1).map(nounAt), values.at(-1) ?? 0, wording), wording),
    },
    {
      name: "count-letter",
      bases: [...phrase, vowels.length + 4],
      make: (values, wording) =>
        draft(counted(values.slice(0, -1).map(nounAt), `${vowels}lnrt`[values.at(-1) ?? 0] ?? "", wording), wording),
    },
  ];
}

function draft({ prompts, answer, method, work, check, wrong }: Worked, wording: Wording): Draft {
  return {
    prompt: wording.ask(...prompts),
    answer,
    work,
    thought: [
      `${wording.pick("", "Let me see. ", "Step by step. ")}${method}`,
      ...work,
      `${wording.pick("So the answer would be", "That gives", "I get")} ${answer}.`,
      wording.pick("Let me check that.", "Is that right? A second look:", "To verify:"),
      ...check,
      wording.pick(`It agrees: ${answer}.`, `That fits, so ${answer} it is.`, `Good, ${answer}.`),
    ],
    slip: { work: work.slice(0, -1), answer: wrong },
  };
}

/** A word of consonants and vowels in turn. */
function spell(values: readonly number[]): string {
  return values.map((value, i) => (i % 2 === 0 ? consonants : vowels)[value]).join("");
}

function nounAt(index: number): string {
  const noun = nouns[index];
  if (noun === undefined) throw new Error(`internal: strings: there is no noun ${index}`);
  return noun;
}

/** The letters apart, as a model must see them. */
function spaced(text: string): string {
  return Array.from(text).join(" ");
}

/** The word with two neighbours exchanged that differ. */
function swapped(text: string): string {
  const at = Array.from(text).findIndex((letter, i) => i > 0 && letter !== text[i - 1]);
  if (at < 0) return `${text}${text[0] ?? "a"}`;
  return `${text.slice(0, at - 1)}${text[at]}${text[at - 1]}${text.slice(at + 1)}`;
}

function reversed(word: string): Worked {
  const answer = Array.from(word).reverse().join("");
  return {
    prompts: [
      `Reverse the word "${word}".`,
      `Write "${word}" backwards.`,
      `What is "${word}" read from right to left?`,
    ],
    answer,
    method: "I take the letters apart and go from the last to the first.",
    work: [spaced(word), spaced(answer)],
    check: [`Backwards again: ${spaced(word)}`, `${word.length} letters both times.`],
    wrong: swapped(answer),
  };
}

function sortedLetters(word: string): Worked {
  const answer = Array.from(word).sort().join("");
  const left = Array.from(word);
  const work = Array.from(answer, (next) => {
    const line = `${left.join(" ")}: ${next}`;
    left.splice(left.indexOf(next), 1);
    return line;
  });
  return {
    prompts: [
      `Sort the letters of "${word}" in alphabetical order.`,
      `Write the letters of "${word}" in the order of the alphabet.`,
      `Put the letters of "${word}" in alphabetical order, as one word.`,
    ],
    answer,
    method: "I take the first letter of the alphabet among those left, again and again.",
    work,
    check: [
      `${spaced(answer)}: no letter comes before the one at its left, and there are ${word.length}, as in ${word}.`,
    ],
    wrong: swapped(answer),
  };
}

function withoutVowels(word: string): Worked {
  const answer = word.replace(/[aeiou]/g, "");
  return {
    prompts: [
      `Remove all vowels from "${word}".`,
      `Write "${word}" without its vowels (a, e, i, o, u).`,
      `What is left of "${word}" when every vowel is taken out?`,
    ],
    answer,
    method: "I go through the letters and leave out a, e, i, o and u.",
    work: Array.from(word, (letter) => `${letter} ${vowels.includes(letter) ? "out" : "stays"}`),
    check: [
      `Taken out were ${spaced(word.replace(/[^aeiou]/g, ""))}, left are ${spaced(answer)}: ${word.length} letters together.`,
    ],
    wrong: word.replace(/[aeiou]/, ""),
  };
}

/** @param at a place whose letter is to be replaced everywhere @param to which letter of the others takes its place */
function replaced(word: string, at: number, to: number, wording: Wording): Worked {
  const from = word[at] ?? "";
  const others = Array.from(consonants).filter((letter) => letter !== from);
  const letter = others[to] ?? "";
  const answer = word.replaceAll(from, letter);
  const count = word.length - word.replaceAll(from, "").length;
  return {
    prompts: [
      `Replace every "${from}" in "${word}" with "${letter}".`,
      `In "${word}", change each "${from}" to "${letter}".`,
      `Write "${word}" with "${letter}" in place of every "${from}".`,
    ],
    answer,
    method: `I go through the letters and write ${letter} for ${from}.`,
    work: [spaced(word), spaced(answer)],
    check: [
      `${word} has ${from} ${count} times, ${answer} has it 0 times, and the other letters are the same: ${spaced(answer)}`,
    ],
    wrong: wording.pick(word, swapped(answer)),
  };
}

function capitalised(words: readonly string[]): Worked {
  const upper = words.map((word) => `${word[0]?.toUpperCase()}${word.slice(1)}`);
  const phrase = words.join(" ");
  const answer = upper.join(" ");
  return {
    prompts: [
      `Capitalise every word in "${phrase}".`,
      `Write "${phrase}" with a capital letter at the start of each word.`,
      `Make the first letter of each word in "${phrase}" a capital.`,
    ],
    answer,
    method: "The first letter of each word becomes a capital, the others stay.",
    work: words.map((word, i) => `${word}: ${upper[i]}`),
    check: [`Capitals: ${upper.map((word) => word[0]).join(" ")}, one for each of the ${words.length} words.`],
    wrong: `${upper[0]} ${words.slice(1).join(" ")}`,
  };
}

function lastLetters(words: readonly string[]): Worked {
  const answer = words.map((word) => word.at(-1)).join("");
  const phrase = words.join(" ");
  const first = words.map((word) => word[0]).join("");
  return {
    prompts: [
      `Join the last letters of the words in "${phrase}".`,
      `Take the last letter of each word in "${phrase}" and write them together.`,
      `What do the last letters of "${phrase}" make when they are joined?`,
    ],
    answer,
    method: "I take the last letter of each word.",
    work: words.map((word) => `${word}: ${word.at(-1)}`),
    check: [`${words.length} words and ${answer.length} letters: ${spaced(answer)}`],
    wrong: first === answer ? `${answer}${answer[0]}` : first,
  };
}

function reversedWords(words: readonly string[]): Worked {
  const phrase = words.join(" ");
  const turned = [...words].reverse();
  const answer = turned.join(" ");
  return {
    prompts: [
      `Reverse the order of the words in "${phrase}".`,
      `Write the words of "${phrase}" from the last to the first.`,
      `Turn the order of the words in "${phrase}" around.`,
    ],
    answer,
    method: "I go from the last word to the first and leave each word as it is.",
    work: turned.map((word, i) => `${words.length - i}: ${word}`),
    check: [`The other way round again: ${phrase}`],
    wrong: answer === phrase ? turned.slice(1).join(" ") : phrase,
  };
}

const ordinals = ["first", "second", "third", "fourth", "fifth", "sixth"] as const;

function nthWord(words: readonly string[], at: number, wording: Wording): Worked {
  const phrase = words.join(" ");
  const answer = words[at] ?? "";
  const others = words.filter((word) => word !== answer);
  return {
    prompts: [
      `What is the ${ordinals[at]} word of "${phrase}"?`,
      `Which word is the ${ordinals[at]} in "${phrase}"?`,
      `Give the ${ordinals[at]} word of "${phrase}".`,
    ],
    answer,
    method: "I number the words.",
    work: words.map((word, i) => `${i + 1}: ${word}`),
    check: [
      `From the end ${answer} is number ${words.length - at} of ${words.length}, so from the start it is number ${at + 1}.`,
    ],
    wrong: others[wording.below(Math.max(1, others.length))] ?? `${answer} ${answer}`,
  };
}

function counted(words: readonly string[], letter: string, wording: Wording): Worked {
  const phrase = words.join(" ");
  const inWord = (word: string): number => word.split(letter).length - 1;
  let sum = 0;
  const work = words.map((word) => {
    sum += inWord(word);
    return `${word} ${inWord(word)}, ${sum}`;
  });
  const marked = Array.from(phrase, (other) => (other === letter ? other.toUpperCase() : other)).join("");
  return {
    prompts: [
      `How many times does the letter "${letter}" occur in "${phrase}"?`,
      `Count the letter "${letter}" in "${phrase}".`,
      `How often is there a "${letter}" in "${phrase}"?`,
    ],
    answer: String(sum),
    method: `For each word I write how many ${letter} it has, and how many there are so far.`,
    work,
    check: [`With each one as a capital: ${marked}`],
    wrong: String(sum === 0 ? 1 : wording.pick(sum - 1, sum + 1)),
  };
}
