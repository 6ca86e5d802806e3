import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { mgsmTasks } from "./mgsm.js";

const doc = {
  question: "盘里有5颗豆，又放进6颗。一共有几颗？",
  answer: null,
  answer_number: 11,
  equation_solution: null,
};
const shot = {
  question: "问题: 三加四是多少？",
  answer: "逐步解答: 三加四等于七。答案是 7。",
  answer_number: 7,
  equation_solution: "3 + 4 = 7.",
};

test("worked rows bring their label and their cue, test rows get both", () => {
  expect(promptOf("mgsm_native_cot_zh", doc, [shot]).prompt).toBe(
    "问题: 三加四是多少？\n逐步解答: 三加四等于七。答案是 7。\n\n问题： 盘里有5颗豆，又放进6颗。一共有几颗？\n逐步解答:",
  );
  expect(promptOf("mgsm_native_cot_en", { ...doc, question: "5 + 6?" }).prompt).toBe(
    "Question: 5 + 6?\nStep-by-Step Answer:",
  );
  expect(generationOf("mgsm_native_cot_en", doc).until).toEqual(["Question:", "</s>", "<|im_end|>"]);
  // As lm-eval has it, without the space.
  expect(promptOf("mgsm_native_cot_ru", { ...doc, question: "5 + 6?" }).prompt).toBe(
    "Задача: 5 + 6?\nПошаговоерешение:",
  );
  expect(promptOf("mgsm_native_cot_ja", { ...doc, question: "5 + 6?" }).prompt).toBe(
    "問題： 5 + 6?\nステップごとの答え:",
  );
  expect(mgsmTasks.length).toBe(3 * 11);
});

test("the strict pipeline knows the phrase of each language", async () => {
  const endings: Readonly<Record<string, string>> = {
    bn: "The answer is 11.",
    de: "Die Antwort lautet 11.",
    en: "The answer is 11.",
    es: "La respuesta es 11.",
    fr: "La réponse est 11.",
    ja: "答えは11です。",
    ru: "Ответ — 11.",
    sw: "Jibu ni 11.",
    te: "సమాధానం 11.",
    th: "คำตอบคือ 11",
    zh: "答案是 11。",
  };
  for (const [language, ending] of Object.entries(endings)) {
    const scores = await scoresOf(`mgsm_native_cot_${language}`, doc, [`5 + 6 = 11 ${ending} 99`]);
    expect([language, scores]).toEqual([
      language,
      { "exact_match,strict-match": 1, "exact_match,flexible-extract": 0 },
    ]);
  }
});

test("a right answer, a wrong one, one without the phrase, and a row without a number", async () => {
  const score = async (answer: string): Promise<unknown[]> => {
    const scores = await scoresOf("mgsm_native_cot_en", { ...doc, answer_number: 1100 }, [answer]);
    return [scores["exact_match,strict-match"], scores["exact_match,flexible-extract"]];
  };
  expect(await score(" So there are 1,100. The answer is 1,100.")).toEqual([1, 1]);
  expect(await score(" The answer is 110.")).toEqual([0, 0]);
  expect(await score(" That makes 1100")).toEqual([0, 1]);
  await expect(scoresOf("mgsm_native_cot_en", { ...doc, answer_number: null }, ["11"])).rejects.toThrow(
    "mgsm: answer_number must be a number, got null",
  );
});

test("a worked answer loses as many characters as lm-eval's cue and a space have", () => {
  const worked = (answer: string) => [{ ...shot, question: "Задача: 3 + 4?", answer }];
  const prompt = (answer: string) =>
    promptOf("mgsm_native_cot_ru", { ...doc, question: "5 + 6?" }, worked(answer)).prompt.split("\n\n")[0];
  expect(prompt("Пошаговоерешение: семь.")).toBe("Задача: 3 + 4?\nПошаговоерешение: семь.");
  // With the space that the cue lacks.
  expect(prompt("Пошаговое решение: семь.")).toBe("Задача: 3 + 4?\nПошаговоерешение:  семь.");
});

test("mgsm_en_cot has an English cue, mgsm_direct wants the number at once", async () => {
  expect(promptOf("mgsm_en_cot_zh", doc, [shot]).prompt).toBe(
    "问题: 三加四是多少？\nStep-by-Step Answer: 三加四等于七。答案是 7。\n\n问题： 盘里有5颗豆，又放进6颗。一共有几颗？\nStep-by-Step Answer:",
  );
  expect(
    promptOf("mgsm_direct_de", { ...doc, question: "5 + 6?" }, [{ ...shot, question: "Frage: 3 + 4?" }]).prompt,
  ).toBe("Frage: 3 + 4?\nAntwort:7\n\nFrage: 5 + 6?\nAntwort:");
  expect(promptOf("mgsm_direct_sw", { ...doc, question: "5 + 6?" }).prompt).toBe("Swali: 5 + 6?\nAnswer:");
  const both = (strict: number, flexible: number) => ({
    "exact_match,remove_whitespace": strict,
    "exact_match,flexible-extract": flexible,
  });
  expect(await scoresOf("mgsm_direct_de", doc, [" 11."])).toEqual(both(1, 1));
  expect(await scoresOf("mgsm_direct_de", doc, [" Es sind 11."])).toEqual(both(0, 1));
  expect(await scoresOf("mgsm_direct_de", doc, [" 12"])).toEqual(both(0, 0));
  expect(await scoresOf("mgsm_direct_de", doc, [" viele"])).toEqual(both(0, 0));
  expect(await scoresOf("mgsm_en_cot_zh", doc, [" The answer is 11."])).toEqual({
    "exact_match,strict-match": 1,
    "exact_match,flexible-extract": 1,
  });
});
