/** One block opened: how attention keeps so little per token, and how the router spreads tokens over experts. */
import type { ComponentChildren, JSX } from "preact";
import type { ModelSizes } from "../../../src/serve/modelCard.js";
import { grouped } from "./modelView.js";

export function Anatomy({ sizes }: { readonly sizes: ModelSizes }): JSX.Element {
  return (
    <div class="anatomy">
      {sizes.attention === "mla" ? <LatentAttention sizes={sizes} /> : <PlainAttention sizes={sizes} />}
      {sizes.nRoutedExperts > 0 && <Experts sizes={sizes} />}
    </div>
  );
}

function Box(props: {
  readonly title: string;
  readonly size: string;
  readonly kind?: "cached" | "plain" | "wide";
  readonly children?: ComponentChildren;
}): JSX.Element {
  const { title, size, kind = "plain", children } = props;
  return (
    <div class={`box ${kind}`}>
      <span class="box-title">{title}</span>
      <span class="box-size">{size}</span>
      {children}
    </div>
  );
}

function Arrow(): JSX.Element {
  return (
    <svg class="arrow" viewBox="0 0 12 16" width="12" height="16" aria-hidden="true">
      <path d="M6 1v13M2.5 10.5L6 14l3.5-3.5" />
    </svg>
  );
}

/** Down to what all lanes lead to, however long this one is. */
function Fall(): JSX.Element {
  return (
    <>
      <span class="stem" />
      <Arrow />
    </>
  );
}

function LatentAttention({ sizes }: { readonly sizes: ModelSizes }): JSX.Element {
  const { hiddenSize, numAttentionHeads: heads, qLoraRank, kvLoraRank, qkNopeHeadDim, qkRopeHeadDim, vHeadDim } = sizes;
  const perHead = heads * (qkNopeHeadDim + vHeadDim);
  return (
    <figure class="card flow">
      <figcaption>
        Multi-head latent attention <small>only the marked vectors are kept per token</small>
      </figcaption>
      <Box title="hidden state" size={grouped(hiddenSize)} />
      <div class="lanes">
        <div class="lane">
          <Arrow />
          {qLoraRank !== null && (
            <>
              <Box title="query latent" size={grouped(qLoraRank)} />
              <Arrow />
            </>
          )}
          <Box title="queries" size={`${heads} × (${qkNopeHeadDim} + ${qkRopeHeadDim} rotated)`} />
          <Fall />
        </div>
        <div class="lane">
          <Arrow />
          <Box title="key and value latent" size={grouped(kvLoraRank)} kind="cached" />
          <Arrow />
          <Box title="keys, values" size={`${heads} × (${qkNopeHeadDim}, ${vHeadDim})`} />
          <Fall />
        </div>
        <div class="lane">
          <Arrow />
          <Box title="rotated key, all heads" size={grouped(qkRopeHeadDim)} kind="cached" />
          <Fall />
        </div>
      </div>
      <Box
        title="softmax over positions, output"
        size={`${grouped(heads * vHeadDim)} → ${grouped(hiddenSize)}`}
        kind="wide"
      />
      <p class="flow-note">
        {grouped(kvLoraRank + qkRopeHeadDim)} numbers a token and layer instead of the{" "}
        {grouped(perHead + heads * qkRopeHeadDim)} that its own keys and values would take.
      </p>
    </figure>
  );
}

function PlainAttention({ sizes }: { readonly sizes: ModelSizes }): JSX.Element {
  const { attention, hiddenSize, numAttentionHeads: heads, numKeyValueHeads, headDim } = sizes;
  const kvHeads = attention === "mha" ? heads : numKeyValueHeads;
  return (
    <figure class="card flow">
      <figcaption>
        {attention === "mha" ? "Multi-head attention" : "Grouped-query attention"}{" "}
        <small>the marked vectors are kept per token</small>
      </figcaption>
      <Box title="hidden state" size={grouped(hiddenSize)} />
      <div class="lanes">
        <div class="lane">
          <Arrow />
          <Box title="queries" size={`${heads} × ${headDim}`} />
          <Fall />
        </div>
        <div class="lane">
          <Arrow />
          <Box title="keys" size={`${kvHeads} × ${headDim}`} kind="cached" />
          <Fall />
        </div>
        <div class="lane">
          <Arrow />
          <Box title="values" size={`${kvHeads} × ${headDim}`} kind="cached" />
          <Fall />
        </div>
      </div>
      <Box
        title="softmax over positions, output"
        size={`${grouped(heads * headDim)} → ${grouped(hiddenSize)}`}
        kind="wide"
      />
    </figure>
  );
}

function Experts({ sizes }: { readonly sizes: ModelSizes }): JSX.Element {
  const {
    nRoutedExperts: experts,
    numExpertsPerTok: perToken,
    nGroup,
    topkGroup,
    nSharedExperts,
    moeIntermediateSize,
    hiddenSize,
  } = sizes;
  const chosen = example(sizes);
  const size = experts / nGroup;
  const columns = experts > 64 ? 8 : size;
  return (
    <figure class="card flow">
      <figcaption>
        Mixture of experts <small>one token on its way, as an example</small>
      </figcaption>
      <Box title="hidden state" size={grouped(hiddenSize)} />
      <div class="joined">
        <Arrow />
        <Box
          title="router"
          size={
            nGroup > 1
              ? `best ${topkGroup} of ${nGroup} groups, best ${perToken} experts in them`
              : `best ${perToken} of ${experts} experts`
          }
        />
        <Arrow />
      </div>
      <div class="expert-groups">
        {Array.from({ length: nGroup }, (_, group) => (
          <svg
            key={group}
            class={chosen.groups.has(group) ? "group on" : "group"}
            aria-hidden="true"
            viewBox={`0 0 ${columns} ${Math.ceil(size / columns)}`}
            width={columns * (experts > 64 ? 9 : 17)}
          >
            {Array.from({ length: size }, (_, i) => (
              <rect
                key={i}
                class={chosen.experts.has(group * size + i) ? "expert on" : "expert"}
                x={(i % columns) + 0.1}
                y={Math.floor(i / columns) + 0.1}
                width="0.8"
                height="0.8"
                rx="0.15"
              />
            ))}
          </svg>
        ))}
        {nSharedExperts > 0 && (
          <svg
            class="group shared on"
            aria-hidden="true"
            viewBox={`0 0 ${nSharedExperts} 1`}
            width={nSharedExperts * 17}
          >
            {Array.from({ length: nSharedExperts }, (_, i) => (
              <rect key={i} class="expert on" x={i + 0.1} y="0.1" width="0.8" height="0.8" rx="0.15" />
            ))}
          </svg>
        )}
      </div>
      <p class="flow-note">
        {perToken} of {experts} experts of width {grouped(moeIntermediateSize)}
        {nSharedExperts > 0 && `, and ${nSharedExperts} shared that every token meets`}. What they return is added up by
        the router's weights.
      </p>
    </figure>
  );
}

/** Experts that a token might have gone to, spread over the groups that the router would keep. */
function example(sizes: ModelSizes): { readonly groups: ReadonlySet<number>; readonly experts: ReadonlySet<number> } {
  const { nRoutedExperts, numExpertsPerTok, nGroup, topkGroup } = sizes;
  const size = nRoutedExperts / nGroup;
  const kept = nGroup > 1 ? topkGroup : 1;
  const groups = new Set(Array.from({ length: kept }, (_, i) => Math.floor(((i + 0.4) * nGroup) / kept)));
  const list = [...groups];
  const experts = new Set<number>();
  for (let i = 0; experts.size < Math.min(numExpertsPerTok, kept * size); i++) {
    experts.add((list[i % list.length] ?? 0) * size + ((i * 5 + 1) % size));
    if (i > 50 * nRoutedExperts) break;
  }
  return { groups, experts };
}
