/** Any record as sequences with a mask, for looking at it and for counting; training takes them from chatData.ts. */
import type { DataRecord } from "./records.js";
import type { ChatRenderer, MaskedIds } from "./render.js";

export interface RenderedRecord {
  readonly parts: readonly { readonly label: string; readonly sequence: MaskedIds }[];
  readonly skippedTurns: number;
  readonly spellsTokens: boolean;
}

/** @throws RowError naming the record, if the template does not suit it */
export function renderRecord(record: DataRecord, renderer: ChatRenderer): RenderedRecord {
  const plain = { skippedTurns: 0, spellsTokens: false };
  switch (record.kind) {
    case "chat": {
      const { sequences, ...counts } = renderer.chat(record);
      const parts = sequences.map((sequence, i) => ({ label: i === 0 ? "conversation" : "a turn apart", sequence }));
      return { parts, ...counts };
    }
    case "preference": {
      const { chosen, rejected } = renderer.pair(record);
      const parts = [
        { label: "chosen", sequence: chosen },
        { label: "rejected", sequence: rejected },
      ];
      return { parts, ...plain };
    }
    case "unpaired":
      return {
        parts: [{ label: record.isDesirable ? "desirable" : "undesirable", sequence: renderer.unpaired(record) }],
        ...plain,
      };
    case "stepwise": {
      const { ids, stepEnds } = renderer.stepwise(record);
      const isTarget = new Uint8Array(ids.length);
      for (const at of stepEnds) isTarget[at] = 1;
      return { parts: [{ label: "steps, judged where marked", sequence: { ids, isTarget } }], ...plain };
    }
    case "prompt": {
      const { ids } = renderer.prompt(record);
      return { parts: [{ label: "prompt", sequence: { ids, isTarget: new Uint8Array(ids.length) } }], ...plain };
    }
    default:
      return record satisfies never;
  }
}
