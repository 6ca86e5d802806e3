/** Where the parameters are, and which part of them one token meets. */
import type { JSX } from "preact";
import type { ModelCard } from "../../../src/serve/modelCard.js";
import { big } from "./modelView.js";

export function ParameterBars({ parameters }: Pick<ModelCard, "parameters">): JSX.Element {
  const { parts, total, activated } = parameters;
  const largest = Math.max(...parts.map((part) => part.total));
  return (
    <section class="card" aria-labelledby="parameters-title">
      <h2 id="parameters-title">Parameters</h2>
      <p>
        {big(total)} in all, of which a token uses {big(activated)}, or {percent(activated / total)}.
      </p>
      <table class="bar-table">
        <thead class="hidden">
          <tr>
            <th scope="col">part</th>
            <th scope="col">share</th>
            <th scope="col">parameters</th>
            <th scope="col">a token uses</th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part) => (
            <tr key={part.name}>
              <th scope="row">{part.name}</th>
              <td class="bar-cell">
                <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                  <rect class="bar-all" width={Math.max(0.4, (100 * part.total) / largest)} height="10" />
                  <rect class="bar-used" width={Math.max(0.4, (100 * part.activated) / largest)} height="10" />
                </svg>
              </td>
              <td class="number">{big(part.total)}</td>
              <td class="number soft">{part.activated === part.total ? "all" : big(part.activated)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="keys">
        <i class="key used" /> a token uses <i class="key all" /> the rest
      </p>
    </section>
  );
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(3)} %`;
}
