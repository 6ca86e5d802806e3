/**
 * What one request may ask for. Numbers that say how much the server as a whole may hold are settings (settings.ts); these are caps on the
 * parts of a request, so that none of them can be made large enough to hurt others.
 */
export const limits = {
  /** Choices from one prompt. */
  choices: 32,
  /** Prompts of one completion request. */
  prompts: 128,
  stops: 16,
  stopCharacters: 1024,
  stopTokens: 128,
  messages: 4096,
  contentParts: 1024,
  tools: 128,
  toolCalls: 128,
  descriptionCharacters: 32_768,
  logprobs: 20,
  maxTokens: 2 ** 24,
  infillFiles: 256,
  /** Nesting of a JSON body. */
  jsonDepth: 100,
  nameCharacters: 256,
  templateVariables: 16,
  choiceTexts: 2000,
  choiceCharacters: 10_000,
  patternCharacters: 10_000,
} as const;
