/** What stands for an answer that could not be found in the text; its share is reported beside the score (evaluation specification, 14). */
export const invalidAnswer = "[invalid]";
