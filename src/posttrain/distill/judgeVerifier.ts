/** A model that says whether an answer is right, by the known one where there is one, as a verifier beside the rules; post-training.md 6.1. */
import { splitThought } from "../data/thoughts.js";
import type { Judge } from "../judge/judge.js";
import type { Verifier } from "./scoring.js";

/** Right if more than half of the votes say so. The answer is judged without its thought. */
export function judgeVerifier(judge: Judge): Verifier {
  return {
    name: "judge",
    applies: () => true,
    verify: async ({ id, prompt, answer = null }, completion, signal) => {
      const response = splitThought({ role: "assistant", content: completion }).answer;
      const given = { question: prompt, reference: answer, response };
      const { mean } = await judge.verify(given, `prompt ${id}`, signal);
      return mean === null ? null : mean > 0.5 ? 1 : 0;
    },
  };
}
