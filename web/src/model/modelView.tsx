/** The loaded checkpoint on one page: its parts with their real sizes, where the parameters are, and what its cache costs. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ModelCard } from "../../../src/serve/modelCard.js";
import { getJson } from "../api.js";
import { Anatomy } from "./anatomy.js";
import { CacheCost } from "./cacheCost.js";
import { ParameterBars } from "./parameterBars.js";
import { Stack } from "./stack.js";

export function ModelView({ model }: { readonly model: string | null }): JSX.Element {
  const [card, setCard] = useState<ModelCard | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    setCard(null);
    setProblem(null);
    if (model === null) return;
    const gone = new AbortController();
    getJson<ModelCard>(`/api/models/${model.split("/").map(encodeURIComponent).join("/")}/card`, gone.signal)
      .then(setCard)
      .catch((error: unknown) => {
        if (!gone.signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
      });
    return () => gone.abort();
  }, [model]);
  return (
    <div class="model">
      <h1>{model ?? "No model yet"}</h1>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {card && <Card card={card} />}
    </div>
  );
}

function Card({ card }: { readonly card: ModelCard }): JSX.Element {
  const { parameters, sizes } = card;
  const numbers: readonly (readonly [string, string])[] = [
    ["parameters", big(parameters.total)],
    ["a token uses", big(parameters.activated)],
    ...(parameters.mtp > 0 ? [["in MTP modules", big(parameters.mtp)] as const] : []),
    ["layers", String(sizes.numHiddenLayers)],
    ["positions", grouped(card.maxPositions)],
    ["weights", card.weights],
  ];
  return (
    <>
      <dl class="numbers">
        {numbers.map(([name, value], i) => (
          <div key={name} class={i === 0 ? "main" : undefined}>
            <dt>{name}</dt>
            <dd class={value.length > 10 ? "words" : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
      <section class="architecture" aria-labelledby="architecture-title">
        <h2 id="architecture-title">Architecture</h2>
        <div class="architecture-parts">
          <Stack card={card} />
          <Anatomy sizes={sizes} />
        </div>
      </section>
      <div class="model-pair">
        <ParameterBars parameters={parameters} />
        <CacheCost card={card} />
      </div>
    </>
  );
}

export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** 671.0 B, 37.55 B, 2.687 M: four digits, as such numbers are told. */
export function big(value: number): string {
  for (const [size, unit] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (value >= size) return `${(value / size).toPrecision(4)} ${unit}`;
  }
  return String(value);
}
