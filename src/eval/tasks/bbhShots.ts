/**
 * Worked examples for BBH: three for each subtask, in the layout of its questions, with short reasoning that ends "So the answer is X." The
 * benchmark's own examples are not used; these are ours. What a subtask asks is told in lm-eval's words, which are part of its prompt. Variants by number of objects share theirs. bbh.test.ts computes what can be
 * computed of them.
 */

export interface BbhShot {
  readonly input: string;
  readonly target: string;
}

export interface BbhExamples {
  /** What the subtask asks, as lm-eval says it. */
  readonly description: string;
  readonly shots: readonly BbhShot[];
}

/** @param answer as it is cut out of the text again */
export function shot(input: string, reasoning: string, answer: string): BbhShot {
  return { input, target: `${reasoning} So the answer is ${answer}.` };
}

/** Choices under letters. */
export function options(...texts: readonly string[]): string {
  return `Options:\n${texts.map((text, i) => `(${"ABCDEFGHIJK"[i]}) ${text}`).join("\n")}`;
}

export const yesOrNo = "Options:\n- Yes\n- No";

export const booleanExpressions: BbhExamples = {
  description: "Evaluate the result of a random Boolean expression.",
  shots: [
    shot("not ( True and False ) is", "Brackets come first: True and False is False. Then not False is True.", "True"),
    shot(
      "True and not not ( not True ) is",
      "The bracket not True is False. Two further nots leave it False. Then True and False is False.",
      "False",
    ),
    shot(
      "False or not True or not ( False or True ) is",
      "The bracket False or True is True, so not ( False or True ) is False. not True is False too. Then False or False or False is False.",
      "False",
    ),
  ],
};

export const causalJudgement: BbhExamples = {
  description: "Answer questions about causal attribution.",
  shots: [
    shot(
      "How would a typical person answer each of the following questions about causation?\nA gardener and a neighbour " +
        "share a pump. The rule is that the pump runs for one garden at a time, and on Mondays it is the gardener's " +
        "turn. On a Monday both switch their hoses on at " +
        `nine. With two hoses open the pump overheats and breaks. Did the neighbour cause the pump to break?\n${yesOrNo}`,
      "The pump broke because two hoses were open. The gardener was allowed to use it and the neighbour was not. " +
        "People mostly name the one who broke the rule as the cause.",
      "Yes",
    ),
    shot(
      "How would a typical person answer each of the following questions about causation?\nA baker wants to win a fair " +
        "and puts a cake on the counter. A cat that the baker has never seen jumps in through the window and pushes a " +
        "jar of honey over the cake. The judges like honey and " +
        `the cake wins. Did the baker win on purpose because of the honey?\n${yesOrNo}`,
      "The baker meant to win, but the honey came by chance and not by a plan of the baker. People do not call a lucky accident intended.",
      "No",
    ),
    shot(
      "How would a typical person answer each of the following questions about causation?\nThe head of a mill is told " +
        "that a new wheel will raise profits and will also harm the river. The head says: I do not care about the river, " +
        "I want the profits. The wheel is " +
        `built and the river is harmed. Did the head of the mill intentionally harm the river?\n${yesOrNo}`,
      "The harm was not the goal, but it was foreseen and accepted without care. Most people say that a bad side " +
        "effect that was known and accepted was brought about intentionally.",
      "Yes",
    ),
  ],
};

export const dateUnderstanding: BbhExamples = {
  description: "Infer the date from context.",
  shots: [
    shot(
      "Yesterday was 30 April 2021. What is the date tomorrow in " +
        `MM/DD/YYYY?\n${options("05/01/2021", "05/02/2021", "04/29/2021", "05/03/2021")}`,
      "Yesterday was 04/30/2021, so today is 05/01/2021 and tomorrow is 05/02/2021.",
      "(B)",
    ),
    shot(
      "Today is the last day of February 2024. What is the date one week ago from today in " +
        `MM/DD/YYYY?\n${options("02/21/2024", "02/22/2024", "03/07/2024", "02/23/2024")}`,
      "2024 can be divided by 4, so February has 29 days and today is 02/29/2024. Seven days before 29 is 22.",
      "(B)",
    ),
    shot(
      "The meeting is due on 1/2/1999 (day/month/year) but was moved three days ahead. What is the date of the meeting in " +
        `MM/DD/YYYY?\n${options("01/05/1999", "02/04/1999", "01/29/1999", "02/05/1999")}`,
      "Written day first, 1/2/1999 is 02/01/1999 with the month first. Moved ahead means earlier: three days before 1 " +
        "February is 29 January.",
      "(C)",
    ),
  ],
};

const disambiguation =
  "In the following sentences, explain the antecedent of the pronoun (which thing the pronoun refers to), or state " +
  "that it is ambiguous.\nSentence: ";

export const disambiguationQa: BbhExamples = {
  description: "Clarify the meaning of sentences with ambiguous pronouns.",
  shots: [
    shot(
      `${disambiguation}The mechanic called the customer because she had finished the ` +
        `repair.\n${options("The mechanic had finished the repair", "The customer had finished the repair", "Ambiguous")}`,
      "Repairs are finished by mechanics, and that is a reason to call a customer. The pronoun means the mechanic.",
      "(A)",
    ),
    shot(
      `${disambiguation}The pilot met the engineer at the office where he ` +
        `works.\n${options("The pilot works at the office", "The engineer works at the office", "Ambiguous")}`,
      "Either could work at that office, and nothing in the sentence speaks for one of the two.",
      "(C)",
    ),
    shot(
      `${disambiguation}The teacher asked the pupil to sit down because he was blocking the view of the ` +
        `board.\n${options("The teacher was blocking the view", "The pupil was blocking the view", "Ambiguous")}`,
      "If the teacher were in the way, asking the pupil to sit down would not help. The pupil was standing in the way.",
      "(B)",
    ),
  ],
};

const dyck = "Complete the rest of the sequence, making sure that the parentheses are closed properly. Input: ";

export const dyckLanguages: BbhExamples = {
  description: "Correctly close a Dyck-n word.",
  shots: [
    shot(
      `${dyck}( [ ] {`,
      "Open so far: ( ; then [ is opened and closed ; then { . Still open are ( { , which are closed from the last to the first: } and ) .",
      "} )",
    ),
    shot(
      `${dyck}< < [ ( ) ]`,
      "Open < and < . Then [ is opened, ( is opened and closed, and [ is closed. Still open are < < , closed by > > .",
      "> >",
    ),
    shot(
      `${dyck}{ [ < > ( [ ]`,
      "Open { and [ . Then < is opened and closed. Then ( is opened, and [ is opened and closed. Still open are { [ ( , closed by ) ] } .",
      ") ] }",
    ),
  ],
};

const fallacy =
  "\nIs the argument, given the explicitly stated premises, deductively valid or invalid?\nOptions:\n- valid \n- invalid";

export const formalFallacies: BbhExamples = {
  description: "Distinguish deductively valid arguments from formal fallacies.",
  shots: [
    shot(
      '"Here comes a perfectly valid argument: First premise: Every baker is an early riser. Second premise: No early riser ' +
        `is a night guard. Hence, no baker is a night guard."${fallacy}`,
      "If something is a baker it is an early riser, and early risers are not night guards. So no baker is a night " +
        "guard: the conclusion follows.",
      "valid",
    ),
    shot(
      '"Here comes a perfectly valid argument: First premise: Every cyclist is a swimmer. Second premise: Every diver is a ' +
        `swimmer. Hence, every diver is a cyclist."${fallacy}`,
      "Cyclists and divers are both among the swimmers, but that does not put divers among cyclists: a diver who does " +
        "not cycle agrees with both premises.",
      "invalid",
    ),
    shot(
      '"Here comes a perfectly valid argument: First premise: Whoever is a friend of the cook is not a painter. Second ' +
        `premise: Some singer is a friend of the cook. Hence, some singer is not a painter."${fallacy}`,
      "Take the singer who is a friend of the cook. By the first premise this one is not a painter, so some singer is " +
        "not a painter: the conclusion follows.",
      "valid",
    ),
  ],
};

const shapes = options(
  ...["circle", "heptagon", "hexagon", "kite", "line", "octagon", "pentagon", "rectangle", "sector", "triangle"],
);

export const geometricShapes: BbhExamples = {
  description: "Name geometric shapes from their SVG paths.",
  shots: [
    shot(
      `This SVG path element <path d="M 10.00,10.00 L 50.00,10.00 L 30.00,40.00 L 10.00,10.00"/> draws a\n${shapes}`,
      "The path goes from (10, 10) to (50, 10), to (30, 40) and back to (10, 10): three straight sides.",
      "(J)",
    ),
    shot(
      'This SVG path element <path d="M 0.00,0.00 L 20.00,0.00 L 30.00,15.00 M 30.00,15.00 L 10.00,30.00 L -10.00,15.00 L ' +
        `0.00,0.00"/> draws a\n${shapes}`,
      "The move in the middle goes to where the pen is already. The sides are (0, 0) to (20, 0), to (30, 15), to (10, " +
        "30), to (-10, 15) and back to (0, 0): five sides.",
      "(G)",
    ),
    shot(
      'This SVG path element <path d="M 40.00,20.00 A 20.00,20.00 0.00 1,0 0.00,20.00 A 20.00,20.00 0.00 1,0 40.00,20.00"/> ' +
        `draws a\n${shapes}`,
      "Both arcs have the same radius of 20 in both directions, and they lead from (40, 20) to (0, 20) and back: two halves of a circle.",
      "(A)",
    ),
  ],
};

const order = "Which sentence has the correct adjective order:\n";

export const hyperbaton: BbhExamples = {
  description: "Order adjectives correctly in English sentences.",
  shots: [
    shot(
      `${order}${options("small lovely wooden box", "lovely small wooden box")}`,
      "(A) has size, opinion, material. (B) has opinion, size, material, which is the usual order.",
      "(B)",
    ),
    shot(
      `${order}${options("old round green Dutch clock", "round old Dutch green clock")}`,
      "(A) has age, shape, colour, origin, which is the usual order. (B) has shape before age and origin before colour.",
      "(A)",
    ),
    shot(
      `${order}${options("huge leather black riding boot", "huge black leather riding boot")}`,
      "(A) has size, material, colour, purpose. (B) has size, colour, material, purpose, which is the usual order.",
      "(B)",
    ),
  ],
};
