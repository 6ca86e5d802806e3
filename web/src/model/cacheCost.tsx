/** What the cache of one token takes, beside what other attentions of this size would need. */
import type { JSX } from "preact";
import type { ModelCard } from "../../../src/serve/modelCard.js";
import { grouped } from "./modelView.js";

export function CacheCost({ card }: { readonly card: ModelCard }): JSX.Element {
  const { cacheSchemes, maxPositions } = card;
  const largest = Math.max(...cacheSchemes.map(({ bytesPerToken }) => bytesPerToken));
  const own = cacheSchemes.find(({ isOwn }) => isOwn);
  const tokens = Math.min(maxPositions, 131_072);
  return (
    <section class="card" aria-labelledby="cache-title">
      <h2 id="cache-title">Cache</h2>
      {own && (
        <p>
          {grouped(own.bytesPerToken)} bytes a token; a text of {grouped(tokens)} tokens takes{" "}
          {bytes(own.bytesPerToken * tokens)}.
        </p>
      )}
      <ul class="schemes">
        {cacheSchemes.map(({ scheme, detail, bytesPerToken, isOwn }) => (
          <li key={scheme} class={isOwn ? "own" : undefined}>
            <span class="scheme-name">
              <b>{scheme}</b> <small>{detail}</small>
            </span>
            <span class="scheme-bytes">{grouped(bytesPerToken)}</span>
            <span class="scheme-ratio">
              {own && !isOwn ? `${(bytesPerToken / own.bytesPerToken).toFixed(1)} ×` : "this model"}
            </span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
              <rect
                class={isOwn ? "bar-used" : "bar-all"}
                width={Math.max(0.6, (100 * bytesPerToken) / largest)}
                height="10"
              />
            </svg>
          </li>
        ))}
      </ul>
      <p class="keys">Bytes a token over all layers, at 2 bytes a number; MTP modules not counted.</p>
    </section>
  );
}

function bytes(count: number): string {
  for (const [size, unit] of [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ] as const) {
    if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  }
  return `${count} bytes`;
}
