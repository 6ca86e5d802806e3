/** The second part of BBH's worked examples (bbhShots.ts): deduction, arithmetic, tables and counting. */
import { type BbhExamples, options, shot, yesOrNo } from "./bbhShots.js";

const arranged =
  "The following paragraphs each describe a set of three objects arranged in a fixed order. The statements are " +
  "logically consistent within each paragraph. ";

export const logicalDeduction: BbhExamples = {
  description: "A logical deduction task which requires deducing the order of a sequence of objects.",
  shots: [
    shot(
      `${arranged}On a shelf, there are three books: a red book, a blue book, and a green book. The blue book is to the left ` +
        "of the red book. The green book is the " +
        `rightmost.\n${options("The red book is the leftmost", "The blue book is the leftmost", "The green book is the leftmost")}`,
      "The green book is last. The blue book is left of the red book, so the order is blue, red, green, and the blue book is the leftmost.",
      "(B)",
    ),
    shot(
      `${arranged}In an antique car show, there are three vehicles: a van, a truck, and a bus. The van is older than the ` +
        "truck. The bus is newer than the " +
        `truck.\n${options("The van is the second-newest", "The truck is the second-newest", "The bus is the second-newest")}`,
      "From the newest: the bus is newer than the truck, and the truck is newer than the van. The order is bus, truck, " +
        "van, and the truck is the second-newest.",
      "(B)",
    ),
    shot(
      `${arranged}A fruit stand sells three fruits: pears, plums, and figs. The figs are less expensive than the pears. The ` +
        "plums are more expensive than the " +
        `pears.\n${options("The pears are the cheapest", "The plums are the cheapest", "The figs are the cheapest")}`,
      "The figs cost less than the pears and the pears less than the plums. The order from the cheapest is figs, pears, plums.",
      "(C)",
    ),
  ],
};

export const movieRecommendation: BbhExamples = {
  description: "Recommend movies similar to the given list of movies.",
  shots: [
    shot(
      "Find a movie similar to Toy Story, Finding Nemo, The Lion King, " +
        `Shrek:\n${options("Monsters, Inc.", "Alien", "Pulp Fiction", "Psycho")}`,
      "The four are animated films for families. Monsters, Inc. is one too; the others are thrillers and horror films.",
      "(A)",
    ),
    shot(
      "Find a movie similar to Star Wars, The Empire Strikes Back, Raiders of the Lost Ark, Jurassic " +
        `Park:\n${options("Notting Hill", "Amelie", "Back to the Future", "Cast Away")}`,
      "The four are popular adventures with science fiction or action, mostly of the late seventies to the nineties. " +
        "Back to the Future is of that kind; the others are romances and a drama.",
      "(C)",
    ),
    shot(
      "Find a movie similar to The Godfather, Goodfellas, Pulp Fiction, " +
        `Casino:\n${options("Mary Poppins", "Scarface", "Babe", "Mamma Mia!")}`,
      "The four are crime films for adults. Scarface is a crime film; the others are musicals and a film for children.",
      "(B)",
    ),
  ],
};

export const multistepArithmetic: BbhExamples = {
  description: "Solve multi-step arithmetic problems.",
  shots: [
    shot(
      "((-3 + 4 * 2 - 1) * (6 - -2 + 0 * 7)) =",
      "The first bracket: 4 * 2 = 8, so -3 + 8 - 1 = 4. The second bracket: 0 * 7 = 0, so 6 - -2 + 0 = 8. Then 4 * 8 = 32.",
      "32",
    ),
    shot(
      "((5 * -2 - 3 + 4) - (7 + 1 - 2 * 3)) =",
      "The first bracket: 5 * -2 = -10, so -10 - 3 + 4 = -9. The second bracket: 2 * 3 = 6, so 7 + 1 - 6 = 2. Then -9 - 2 = -11.",
      "-11",
    ),
    shot(
      "((-6 * 2 * -1 + 5) + (8 - 9 * -2 - 4)) =",
      "The first bracket: -6 * 2 * -1 = 12, so 12 + 5 = 17. The second bracket: 9 * -2 = -18, so 8 - -18 - 4 = 22. Then 17 + 22 = 39.",
      "39",
    ),
  ],
};

const path = "If you follow these instructions, do you return to the starting point? ";

export const navigate: BbhExamples = {
  description:
    "Given a series of navigation instructions, determine whether one would end up back at the starting point.",
  shots: [
    shot(
      `${path}Take 4 steps. Turn around. Take 3 steps. Take 1 step.\n${yesOrNo}`,
      "Start at (0, 0), facing up. 4 steps lead to (0, 4). Turned around, 3 steps lead to (0, 1) and 1 step to (0, 0), the start.",
      "Yes",
    ),
    shot(
      `${path}Turn left. Take 2 steps. Turn left. Take 5 steps. Turn left. Take 2 steps.\n${yesOrNo}`,
      "Start at (0, 0), facing up. Facing left, 2 steps lead to (-2, 0). Facing down, 5 steps lead to (-2, -5). Facing " +
        "right, 2 steps lead to (0, -5), which is not the start.",
      "No",
    ),
    shot(
      `${path}Always face forward. Take 3 steps left. Take 6 steps forward. Take 3 steps right. Take 6 steps backward.\n${yesOrNo}`,
      "Start at (0, 0). 3 left leads to (-3, 0), 6 forward to (-3, 6), 3 right to (0, 6) and 6 backward to (0, 0), the start.",
      "Yes",
    ),
  ],
};

export const objectCounting: BbhExamples = {
  description: "Questions that involve enumerating objects and asking the model to count them.",
  shots: [
    shot(
      "I have two apples, a drum, a plum, and three pears. How many fruits do I have?",
      "Fruits are the apples (2), the plum (1) and the pears (3); the drum is none. 2 + 1 + 3 = 6.",
      "6",
    ),
    shot(
      "I have a chair, a cat, a table, two dogs, and a rabbit. How many animals do I have?",
      "Animals are the cat (1), the dogs (2) and the rabbit (1); chair and table are none. 1 + 2 + 1 = 4.",
      "4",
    ),
    shot(
      "I have a lamp, four flutes, an oven, a violin, a piano, and two trumpets. How many musical instruments do I have?",
      "Instruments are the flutes (4), the violin (1), the piano (1) and the trumpets (2); lamp and oven are none. 4 + 1 + 1 + 2 = 8.",
      "8",
    ),
  ],
};

const penguins =
  "Here is a table where the first line is a header and each subsequent line is a penguin:  name, age, height " +
  "(cm), weight (kg) Pebble, 4, 60, 12 Frost, 9, 75, 14 Tide, 6, 55, 10 Drift, 9, 80, 16  For example: the age of " +
  "Pebble is 4, the weight of Drift is 16 kg, the height of Tide is 55 cm.  ";

export const penguinsInATable: BbhExamples = {
  description: "Answer questions about a table of penguins and their attributes.",
  shots: [
    shot(
      `${penguins}Which is the tallest penguin?\n${options("Pebble", "Frost", "Tide", "Drift", "Snow")}`,
      "The heights are Pebble 60, Frost 75, Tide 55 and Drift 80. The largest is 80, that of Drift.",
      "(D)",
    ),
    shot(
      `${penguins}We now add a penguin to the table:\nSnow, 3, 50, 9\nHow many penguins are more than 5 years ` +
        `old?\n${options("1", "2", "3", "4", "5")}`,
      "The ages are Pebble 4, Frost 9, Tide 6, Drift 9 and Snow 3. More than 5 are Frost, Tide and Drift: three.",
      "(C)",
    ),
    shot(
      `${penguins}We then delete the penguin named Frost from the table.\nWhat is the total weight of all ` +
        `penguins?\n${options("38", "40", "52", "26", "48")}`,
      "Without Frost the weights are Pebble 12, Tide 10 and Drift 16. 12 + 10 + 16 = 38.",
      "(A)",
    ),
  ],
};

export const coloredObjects: BbhExamples = {
  description: "Answer extremely simple questions about the colors of objects on a surface.",
  shots: [
    shot(
      `On the desk, there is a red pen, a blue cup, and a green note. What color is the cup?\n${options("red", "blue", "green", "yellow")}`,
      "The cup is said to be blue.",
      "(B)",
    ),
    shot(
      "On the table, you see several objects arranged in a row: a grey stone, a black key, a white candle, and a " +
        "purple ring. What is the color of the object directly to the right of the black " +
        `object?\n${options("grey", "purple", "black", "white")}`,
      "In order from the left: grey stone, black key, white candle, purple ring. Directly to the right of the black " +
        "key is the white candle.",
      "(D)",
    ),
    shot(
      "On the floor, you see two orange balls, one pink ball, three orange boxes, and one teal box. If I remove all the " +
        `boxes from the floor, how many orange objects remain on it?\n${options("zero", "one", "two", "three", "four")}`,
      "Without the boxes there are two orange balls and one pink ball. Two of them are orange.",
      "(C)",
    ),
  ],
};
