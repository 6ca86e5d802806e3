/** The model from token to token: what a text goes through, first at the top, with the MTP modules after it. */
import type { JSX } from "preact";
import type { BlockGroup, ModelCard } from "../../../src/serve/modelCard.js";
import { big, grouped } from "./modelView.js";

export function Stack({ card }: { readonly card: ModelCard }): JSX.Element {
  const { sizes, blocks, parameters } = card;
  const embedding = parameters.parts.find(({ name }) => name === "embedding");
  const head = parameters.parts.find(({ name }) => name === "head");
  const depths = sizes.numNextnPredictLayers;
  return (
    <ol class="stack" aria-label="Parts of the model in order">
      <li class="end">token</li>
      <Part
        name="Embedding"
        size={`${grouped(sizes.vocabSize)} × ${grouped(sizes.hiddenSize)}`}
        count={embedding?.total ?? 0}
      />
      {blocks.map((group) => (
        <Blocks key={group.first} group={group} card={card} />
      ))}
      <Part
        name="Norm and head"
        size={`${grouped(sizes.hiddenSize)} → ${grouped(sizes.vocabSize)}`}
        count={head?.total ?? 0}
      />
      <li class="end">next token</li>
      {depths > 0 && (
        <Part
          name={depths === 1 ? "MTP module" : `${depths} MTP modules`}
          size="projection and one more block; drafts the token after the next"
          count={parameters.mtp}
          isExtra
        />
      )}
    </ol>
  );
}

function Part(props: {
  readonly name: string;
  readonly size: string;
  readonly count: number;
  readonly isExtra?: boolean;
}): JSX.Element {
  const { name, size, count, isExtra = false } = props;
  return (
    <li class={isExtra ? "part extra" : "part"}>
      <span class="part-name">{name}</span>
      <span class="part-count">{big(count)}</span>
      <span class="part-size">{size}</span>
    </li>
  );
}

function Blocks({ group, card }: { readonly group: BlockGroup; readonly card: ModelCard }): JSX.Element {
  const { sizes } = card;
  const { kind, first, last, total, activated } = group;
  const count = last - first + 1;
  const isDense = kind === "dense";
  return (
    <li class={`part blocks ${kind}${count > 1 ? " many" : ""}`}>
      <span class="part-name">
        {isDense ? "Dense block" : "MoE block"}
        {count > 1 && <b> × {count}</b>}
      </span>
      <span class="part-count">{count > 1 ? `${big(total)} each` : big(total)}</span>
      <span class="part-size">
        {count > 1 ? `layers ${first} to ${last}` : `layer ${first}`},{" "}
        {isDense
          ? `SwiGLU of width ${grouped(sizes.intermediateSize)}`
          : `${sizes.numExpertsPerTok} of ${sizes.nRoutedExperts} experts${sizes.nSharedExperts > 0 ? ` and ${sizes.nSharedExperts} shared` : ""}; a token uses ${big(activated)}`}
      </span>
    </li>
  );
}
