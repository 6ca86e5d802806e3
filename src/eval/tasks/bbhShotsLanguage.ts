/** The third part of BBH's worked examples (bbhShots.ts): language, knowledge and things that change places. */
import { type BbhExamples, options, shot } from "./bbhShots.js";

export const ruinNames: BbhExamples = {
  description: "Select the humorous edit that 'ruins' the input movie or musical artist name.",
  shots: [
    shot(
      "Which of the following is a humorous edit of this artist or movie name: 'the lion " +
        `king'?\n${options("the lion kinf", "the lying king", "th lion king", "the lion kings")}`,
      "(A) and (C) only look like slips of the keyboard and (D) is a plural. (B) sounds alike and turns the lion into " +
        "a liar, which is funny.",
      "(B)",
    ),
    shot(
      `Which of the following is a humorous edit of this artist or movie name: 'jaws'?\n${options("jawss", "jyws", "jars", "jws")}`,
      "(A), (B) and (D) make no words. (C) makes a film about glass pots out of one about a shark, which is funny.",
      "(C)",
    ),
    shot(
      "Which of the following is a humorous edit of this artist or movie name: 'pink " +
        `floyd'?\n${options("pink fluid", "pnk floyd", "pink floyde", "pinkk floyd")}`,
      "(B), (C) and (D) are misspellings without a meaning. (A) sounds alike and means a coloured liquid, which is funny.",
      "(A)",
    ),
  ],
};

const errors =
  "The following translations from German to English contain a particular error. That error will be one of the " +
  "following types: Named Entities: An entity (names, places, locations, etc.) is changed to a different entity. " +
  "Numerical Values: Numerical values (ordinals or cardinals), dates, and/or units are changed. Modifiers or " +
  "Adjectives: The modifiers and adjectives pertaining to a noun are changed. Negation or Antonyms: Introduce or " +
  "remove a negation or change comparatives to their antonyms. Facts: Trivial factual errors not pertaining to the " +
  "above classes are introduced in the translations. Dropped Content: A significant clause in the translation is " +
  "removed.  Please identify that error.  ";

function translation(source: string, english: string): string {
  const kinds = options(
    ...[
      "Modifiers or Adjectives",
      "Numerical Values",
      "Negation or Antonyms",
      "Named Entities",
      "Dropped Content",
      "Facts",
    ],
  );
  return `${errors}Source: ${source}\nTranslation: ${english}\nThe translation contains an error pertaining to\n${kinds}`;
}

export const translationErrors: BbhExamples = {
  description: "Detect the type of error in an English translation of a German source sentence.",
  shots: [
    shot(
      translation(
        "Der Turm wurde 1890 am Ufer der Elbe gebaut.",
        "The tower was built in 1980 on the bank of the Elbe.",
      ),
      "The source says 1890, the translation 1980. The rest agrees. A year has changed, which is a numerical value.",
      "(B)",
    ),
    shot(
      translation("Die alte Mühle liegt in Sachsen und wird heute als Museum genutzt.", "The old mill lies in Saxony."),
      "The source also says that the mill is used as a museum today. The translation leaves this clause out and agrees otherwise.",
      "(E)",
    ),
    shot(
      translation("Der See ist der größte in der Nähe von Rom.", "The lake is the largest one near Milan."),
      "The source says near Rome, the translation near Milan. A place has been changed to another one, which is a named entity.",
      "(D)",
    ),
  ],
};

function sarcastic(...statements: readonly string[]): string {
  return `Which statement is sarcastic?\n${options(...statements)}`;
}

export const snarks: BbhExamples = {
  description:
    'Determine which of two sentences is sarcastic.\n\nAccording to Cambridge University Dictionary, sarcasm is "the use of remarks that clearly mean the opposite of what they say, made in order to hurt someone\'s feelings or to criticize something in a humorous way." Sarcastic sentences often contain satirical or ironic utterances, hyperboles, ambivalent or witty remarks.',
  shots: [
    shot(
      sarcastic(
        "Great, the train is late again, just what I needed",
        "Great, the train is early today, just what I needed",
      ),
      "A late train is nobody's wish, so calling it great is not meant as said. An early train can well be needed. (A) is sarcastic.",
      "(A)",
    ),
    shot(
      sarcastic("Sleeping eight hours is a fine way to rest", "Sleeping one hour is a fine way to rest"),
      "Eight hours of sleep do rest a person, so (A) is meant as said. One hour does not, so praising it is meant the other way round.",
      "(B)",
    ),
    shot(
      sarcastic(
        "Because a leaking roof is so good for the books below it",
        "Because a dry room is so good for the books in it",
      ),
      "Water ruins books, so (A) cannot be meant as said. A dry room does them good, so (B) can.",
      "(A)",
    ),
  ],
};

function plausible(sentence: string): string {
  return `Is the following sentence plausible? "${sentence}"`;
}

export const sportsUnderstanding: BbhExamples = {
  description: "Determine whether an artificially constructed sentence relating to sports is plausible or not.",
  shots: [
    shot(
      plausible("The goalkeeper hit a home run in the second half."),
      "A goalkeeper plays football or hockey, and halves belong to football. A home run belongs to baseball. The two do not go together.",
      "no",
    ),
    shot(
      plausible("The point guard made a free throw after the foul."),
      "A point guard plays basketball, and free throws after fouls are part of basketball.",
      "yes",
    ),
    shot(
      plausible("The striker scored from the penalty spot in the cup final."),
      "A striker plays football. Scoring from the penalty spot and cup finals are part of football.",
      "yes",
    ),
  ],
};

function visit(place: string, facts: readonly string[], ...times: readonly string[]): string {
  return (
    `Today, the guest went to the ${place}. Between what times could they have gone?\nWe know that: \n${facts.join("\n")}\n` +
    `Between what times could the guest have gone to the ${place}?\n${options(...times)}`
  );
}

export const temporalSequences: BbhExamples = {
  description: "Task description: Answer questions about which times certain events could have occurred.",
  shots: [
    shot(
      visit(
        "museum",
        [
          "The guest woke up at 7am.",
          "A waiter saw the guest having breakfast from 7am to 9am.",
          "A guard saw the guest in the library from 11am to 3pm.",
          "The museum was closed after 3pm.",
        ],
        ...["7am to 9am", "9am to 11am", "11am to 3pm", "3pm to 5pm"],
      ),
      "From 7am to 9am the guest had breakfast and from 11am to 3pm was in the library. After 3pm the museum was " +
        "closed. Free is 9am to 11am.",
      "(B)",
    ),
    shot(
      visit(
        "market",
        [
          "The guest woke up at 6am.",
          "A neighbour saw the guest mending a fence from 8am to 1pm.",
          "A driver saw the guest on the bus from 1pm to 4pm.",
          "The market was closed after 4pm.",
        ],
        ...["8am to 1pm", "1pm to 4pm", "4pm to 6pm", "6am to 8am"],
      ),
      "From 8am to 1pm the guest mended a fence and from 1pm to 4pm was on the bus. After 4pm the market was closed. Free is 6am to 8am.",
      "(D)",
    ),
    shot(
      visit(
        "harbour",
        [
          "The guest woke up at 9am.",
          "A friend saw the guest in the garden from 9am to noon.",
          "A nurse saw the guest waiting at the clinic from noon to 2pm.",
          "The harbour was closed after 6pm.",
        ],
        ...["9am to noon", "noon to 2pm", "2pm to 6pm", "6pm to 8pm"],
      ),
      "From 9am to noon the guest was in the garden and from noon to 2pm at the clinic. After 6pm the harbour was " +
        "closed. Free is 2pm to 6pm.",
      "(C)",
    ),
  ],
};

export const trackingShuffled: BbhExamples = {
  description:
    "A task requiring determining the final positions of a set of objects given their initial positions and a description of a sequence of swaps.",
  shots: [
    shot(
      "The fox, the owl, and the bear are playing a game. At the start of the game, they are each holding a ball: the " +
        "fox has a red ball, the owl has a blue ball, and the bear has a green ball. As the game progresses, pairs of " +
        "players trade balls. First, the fox and the owl swap balls. Then, the owl and the bear swap balls. Finally, the " +
        "fox and the bear swap balls. At the end of the game, the owl has the\n" +
        options("red ball", "blue ball", "green ball"),
      "Start: fox red, owl blue, bear green. Fox and owl swap: fox blue, owl red, bear green. Owl and bear swap: fox " +
        "blue, owl green, bear red. Fox and bear swap: fox red, owl green, bear blue. The owl has the green ball.",
      "(C)",
    ),
    shot(
      "The fox, the owl, and the bear are playing a game. At the start of the game, they are each holding a ball: the " +
        "fox has a white ball, the owl has a black ball, and the bear has a pink ball. As the game progresses, pairs of " +
        "players trade balls. First, the bear and the fox swap balls. Then, the bear and the owl swap balls. Finally, " +
        "the owl and the fox swap balls. At the end of the game, the fox has the\n" +
        options("white ball", "black ball", "pink ball"),
      "Start: fox white, owl black, bear pink. Bear and fox swap: fox pink, owl black, bear white. Bear and owl swap: " +
        "fox pink, owl white, bear black. Owl and fox swap: fox white, owl pink, bear black. The fox has the white ball.",
      "(A)",
    ),
    shot(
      "The fox, the owl, and the bear are dancers at a square dance. At the start of a song, they each have a partner: " +
        "the fox is dancing with the hare, the owl is dancing with the swan, and the bear is dancing with the wolf. " +
        "Throughout the song, the dancers often trade partners. First, the owl and the bear switch partners. Then, the " +
        "fox and the owl switch partners. Finally, the owl and the bear switch partners. At the end of the dance, the " +
        "bear is dancing with the\n" +
        options("hare", "swan", "wolf"),
      "Start: fox hare, owl swan, bear wolf. Owl and bear switch: fox hare, owl wolf, bear swan. Fox and owl switch: " +
        "fox wolf, owl hare, bear swan. Owl and bear switch: fox wolf, owl swan, bear hare. The bear is dancing with the " +
        "hare.",
      "(A)",
    ),
  ],
};

export const webOfLies: BbhExamples = {
  description: "Evaluate a random boolean function expressed as a word problem.",
  shots: [
    shot(
      "Question: The fox tells the truth. The owl says the fox lies. The bear says the owl lies. Does the bear tell the truth?",
      "The fox tells the truth. The owl says that the fox lies, so the owl lies. The bear says that the owl lies, " +
        "which is so: the bear tells the truth.",
      "Yes",
    ),
    shot(
      "Question: The hare lies. The wolf says the hare tells the truth. The swan says the wolf tells the truth. Does " +
        "the swan tell the truth?",
      "The hare lies. The wolf says that the hare tells the truth, so the wolf lies. The swan says that the wolf tells " +
        "the truth, so the swan lies.",
      "No",
    ),
    shot(
      "Question: The goat tells the truth. The crow says the goat tells the truth. The mole says the crow lies. Does " +
        "the mole tell the truth?",
      "The goat tells the truth. The crow says so, so the crow tells the truth. The mole says that the crow lies, so the mole lies.",
      "No",
    ),
  ],
};

export const wordSorting: BbhExamples = {
  description: "Sort a list of words.",
  shots: [
    shot(
      "Sort the following words alphabetically: List: river apple stone",
      "The first letters are r, a and s. In the alphabet a comes first, then r, then s: apple, river, stone.",
      "apple river stone",
    ),
    shot(
      "Sort the following words alphabetically: List: plate plank lemon planet",
      "lemon begins with l and comes first. The others begin with pla. The fourth letters are t for plate and n for " +
        "plank and planet, so plate is last. Then plank has k and planet has e: planet before plank.",
      "lemon planet plank plate",
    ),
    shot(
      "Sort the following words alphabetically: List: tower cot tow coat",
      "With c begin cot and coat: the second letters are both o, the third are t and a, so coat before cot. With t " +
        "begin tower and tow: tow is shorter and the beginning of the other, so tow before tower.",
      "coat cot tow tower",
    ),
  ],
};
