/**
 * A reward model as a reward of reinforcement learning. Each answer is rendered with the reward model's own tokenizer and template, as its
 * training data was, so the policy's may be another; an answer that was cut has no end token.
 */
import type { RecordMessage } from "../data/records.js";
import { type RewardFunction, type RewardSample, textWithThought } from "../reward/reward.js";
import type { EncodedAnswer, RewardModel } from "./rewardModel.js";

/** Scores as they are: a group's advantages know differences alone. @throws RangeError for an answer longer than the reward model */
export function modelReward(model: RewardModel): RewardFunction {
  return async (samples) => Array.from(await model.score(samples.map((sample) => answerOf(model, sample))));
}

function answerOf(model: RewardModel, sample: RewardSample): EncodedAnswer {
  const { prompt, messages, completionText, finishReason } = sample;
  const said = [{ role: "assistant", content: textWithThought(sample), weight: 1 }] as const;
  const answer =
    messages.length > 0
      ? model.encode({ form: "messages", messages: messages.map(asked) }, { form: "messages", messages: said })
      : model.encodeText(prompt, completionText);
  const hasEnd = answer.ids.at(-1) === model.tokenizer.eosTokenId;
  return finishReason === "length" && hasEnd ? { ...answer, ids: answer.ids.subarray(0, -1) } : answer;
}

function asked({ role, content }: RewardSample["messages"][number]): RecordMessage {
  if (role === "system" || role === "user" || role === "assistant" || role === "tool") {
    return { role, content, weight: 0 };
  }
  throw new RangeError(`reward model: a message of role ${role}; expected system, user, assistant or tool`);
}
