/** The runs: which there are, and the curves, loads, samples and events of those that are picked. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { shortNumber } from "../../../src/report/chart.js";
import type { RunSummary } from "../../../src/serve/runs.js";
import { getJson } from "../api.js";
import { Curves } from "./curves.js";
import { EventLog } from "./eventLog.js";
import { type FollowState, followRun } from "./followRun.js";
import { HeatMaps } from "./heatMap.js";
import { Samples } from "./samples.js";

const listMs = 4000;
/** Curves of more runs than there are colours could not be told apart. */
export const maxPicked = 5;

/** @param picked names from the address, with commas between */
export function RunsView({ picked }: { readonly picked: string }): JSX.Element {
  const [runs, problem] = useRuns();
  const given = picked
    .split(",")
    .filter((name) => name !== "")
    .map(decodeURIComponent);
  const names = given.length > 0 ? given : (runs ?? []).slice(0, 1).map(({ name }) => name);
  const states = useFollowed(names);
  const first = states.get(names[0] ?? "");
  return (
    <div class="runs">
      <h1 class="hidden">Runs</h1>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {runs?.length === 0 && <NoRuns />}
      {runs !== null && runs.length > 0 && <RunTable runs={runs} names={names} />}
      {names.length > 0 && (
        <>
          <Curves runs={names.map((name) => ({ name, state: states.get(name) ?? null }))} />
          {names.length === 1 && first && (
            <>
              <HeatMaps loads={first.data.loads} />
              <Samples samples={first.data.samples} />
              <EventLog state={first} />
            </>
          )}
          {names.length > 1 && <p class="hint">Expert load, samples and events are shown when one run is picked.</p>}
        </>
      )}
    </div>
  );
}

function NoRuns(): JSX.Element {
  return (
    <div class="empty-stage">
      <p class="empty-title">No runs yet</p>
      <p>
        Runs below the folder that the server was started with (<code>--runs</code>) appear here while they train.
      </p>
    </div>
  );
}

function addressOf(names: readonly string[]): string {
  return `#runs/${names.map(encodeURIComponent).join(",")}`;
}

function RunTable({
  runs,
  names,
}: {
  readonly runs: readonly RunSummary[];
  readonly names: readonly string[];
}): JSX.Element {
  const toggle = (name: string): void => {
    const next = names.includes(name) ? names.filter((one) => one !== name) : [...names, name].slice(-maxPicked);
    if (next.length > 0) location.hash = addressOf(next);
  };
  return (
    <section class="card run-table-card" aria-label="All runs">
      <table class="run-table">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Compare</span>
            </th>
            <th scope="col">Run</th>
            <th scope="col" class="wide-only">
              State
            </th>
            <th scope="col" class="number">
              Bits per byte
            </th>
            <th scope="col" class="number">
              Loss
            </th>
            <th scope="col" class="number wide-only">
              Tokens
            </th>
            <th scope="col" class="number wide-only">
              Parameters
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.name} class={names.includes(run.name) ? "picked" : undefined}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Compare ${run.name}`}
                  checked={names.includes(run.name)}
                  onChange={() => toggle(run.name)}
                />
                <i class={names.includes(run.name) ? `dot c${(names.indexOf(run.name) % maxPicked) + 1}` : "dot"} />
              </td>
              <th scope="row">
                <a href={addressOf([run.name])}>{run.name}</a>
                <small class="wide-only"> {run.stage}</small>
                <div class="narrow-only">
                  <State run={run} />
                </div>
              </th>
              <td class="wide-only">
                <State run={run} />
              </td>
              <td class="number">{run.valBitsPerByte?.toFixed(3) ?? "–"}</td>
              <td class="number">{run.loss?.toFixed(3) ?? "–"}</td>
              <td class="number wide-only">{shortNumber(run.tokens)}</td>
              <td class="number wide-only">{run.parameters ? shortNumber(run.parameters.total) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function State({ run }: { readonly run: RunSummary }): JSX.Element {
  const share = run.totalTokens > 0 ? Math.min(1, run.tokens / run.totalTokens) : 0;
  const done = `${Math.floor(100 * share)} %`;
  if (run.isRunning) {
    return (
      <span class="state live">
        <i class="pulse" />
        {done}
      </span>
    );
  }
  if (share >= 1) return <span class="state">finished</span>;
  return <span class="state">{run.step === 0 ? "not begun" : `stopped at ${done}`}</span>;
}

function useRuns(): [runs: readonly RunSummary[] | null, problem: string | null] {
  const [runs, setRuns] = useState<readonly RunSummary[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const gone = new AbortController();
    const ask = async (): Promise<void> => {
      while (!gone.signal.aborted) {
        try {
          if (!document.hidden) setRuns((await getJson<{ runs: RunSummary[] }>("/api/runs", gone.signal)).runs);
          setProblem(null);
        } catch (error) {
          if (!gone.signal.aborted)
            setProblem(`The list of runs: ${error instanceof Error ? error.message : String(error)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, listMs));
      }
    };
    void ask();
    return () => gone.abort();
  }, []);
  return [runs, problem];
}

/** Draws at most this often, however fast a run tells of itself. */
const drawMs = 250;

function useFollowed(names: readonly string[]): ReadonlyMap<string, FollowState> {
  const states = useRef(new Map<string, FollowState>());
  const [, redraw] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const key = names.join("\n");
  useEffect(() => {
    const gone = new AbortController();
    for (const name of key.split("\n").filter((one) => one !== "")) {
      void followRun(name, gone.signal, (state) => {
        states.current.set(name, state);
        timer.current ??= setTimeout(() => {
          timer.current = null;
          redraw((count) => count + 1);
        }, drawMs);
      });
    }
    return () => {
      gone.abort();
      states.current.clear();
    };
  }, [key]);
  return states.current;
}
