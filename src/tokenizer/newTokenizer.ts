/**
 * Builds the files of a new vocabulary: tokenizer.json and tokenizer_config.json in the layout of DeepSeek-V3.
 * Order of ids: BOS, EOS, padding; the 256 bytes; one token for each merge; the other control tokens.
 * Deviation: `tokenizer_class` is PreTrainedTokenizerFast and not LlamaTokenizerFast, whose newer versions replace the
 * pre-tokenizer that the file states.
 */
import { byteCharacters, bytesByCharacter, tokenString } from "./byteAlphabet.js";
import { deepSeekChatTemplate } from "./chatTemplate.js";
import { deepSeekSplitPatterns } from "./pretokenize.js";
import { beginOfSentence, endOfSentence, leadingTokens, type SpecialToken, trailingTokens } from "./specialTokens.js";

/**
 * The tokenizer.json of a new vocabulary: BOS, EOS and pad, the 256 bytes, one token a merge, then the other control tokens.
 * @param merges bytes of the two parts of each merge, best first; every part is a byte or the result of an earlier merge
 */
export function buildTokenizerJson(
  merges: readonly { readonly left: Uint8Array; readonly right: Uint8Array }[],
): Record<string, unknown> {
  const vocab: Record<string, number> = Object.create(null); // "__proto__" and "constructor" are tokens like others
  let nextId = 0;
  const added: Record<string, unknown>[] = [];
  const add = (token: SpecialToken): void => {
    added.push({
      id: nextId++,
      content: token.content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: token.special,
    });
  };
  for (const token of leadingTokens) {
    vocab[token.content] = nextId;
    add(token);
  }
  for (const byte of bytesByCharacter) vocab[byteCharacters[byte]!] = nextId++;
  const lines = merges.map(({ left, right }) => {
    const parts: [string, string] = [tokenString(left), tokenString(right)];
    const joined = parts.join("");
    // Two merges may build the same bytes from other parts; the token then has one id.
    if (vocab[joined] === undefined) vocab[joined] = nextId++;
    return parts.join(" ");
  });
  for (const token of trailingTokens) add(token);
  const begin = leadingTokens[0]!.content;
  const split = (regex: string): Record<string, unknown> => ({
    type: "Split",
    pattern: { Regex: regex },
    behavior: "Isolated",
    invert: false,
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: { type: "Sequence", normalizers: [] },
    pre_tokenizer: { type: "Sequence", pretokenizers: [...deepSeekSplitPatterns.map(split), byteLevel] },
    post_processor: {
      type: "Sequence",
      processors: [
        { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
        {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: begin, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
          pair: [
            { SpecialToken: { id: begin, type_id: 0 } },
            { Sequence: { id: "A", type_id: 0 } },
            { SpecialToken: { id: begin, type_id: 1 } },
            { Sequence: { id: "B", type_id: 1 } },
          ],
          special_tokens: { [begin]: { id: begin, ids: [0], tokens: [begin] } },
        },
      ],
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: lines,
    },
  };
}

/** The tokenizer_config.json of a new vocabulary: BOS before each text, EOS also as padding, DeepSeek-V3's chat template. */
export function buildTokenizerConfig(): Record<string, unknown> {
  const token = (content: string): Record<string, unknown> => ({
    __type: "AddedToken",
    content,
    lstrip: false,
    normalized: false,
    rstrip: false,
    single_word: false,
  });
  return {
    add_bos_token: true,
    add_eos_token: false,
    bos_token: token(beginOfSentence),
    clean_up_tokenization_spaces: false,
    eos_token: token(endOfSentence),
    legacy: true,
    model_max_length: 16384,
    pad_token: token(endOfSentence),
    unk_token: null,
    tokenizer_class: "PreTrainedTokenizerFast",
    chat_template: deepSeekChatTemplate,
  };
}
