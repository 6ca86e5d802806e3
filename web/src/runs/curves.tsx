/** The curves of one run, or of several on the same axes, over the tokens trained on. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { shortNumber } from "../../../src/report/chart.js";
import { type CurvePoint, mergePoints } from "../../../src/serve/runEvents.js";
import { Chart, type Curve } from "./chart.js";
import type { FollowState } from "./followRun.js";
import type { RunData } from "./runData.js";

interface PickedRun {
  readonly name: string;
  readonly state: FollowState | null;
}

export function Curves({ runs }: { readonly runs: readonly PickedRun[] }): JSX.Element {
  const [isLog, setIsLog] = useState(false);
  const [isSmooth, setIsSmooth] = useState(true);
  const loading = runs.filter(({ state }) => !state?.isLoaded);
  const problems = runs.flatMap(({ name, state }) => (state?.problem ? [`${name}: ${state.problem}`] : []));
  const isOne = runs.length === 1;
  const of = (label: string, value: (point: CurvePoint) => number | null | undefined): Curve[] =>
    runs.map(({ name, state }, i) => ({
      label: isOne ? label : name,
      color: `--c${(i % 5) + 1}`,
      points: thinned(state?.data.points ?? [], isSmooth).map((point) => [point.tokens, value(point) ?? null]),
    }));
  const depths = Math.max(0, ...runs.map(({ state }) => state?.data.points.at(-1)?.mtpLosses.length ?? 0));
  const mtp = Array.from({ length: depths }, (_, k) =>
    of(`MTP depth ${k + 1}`, ({ mtpLosses }) => mtpLosses[k]).map((curve) =>
      isOne ? { ...curve, color: `--c${k + 2}` } : curve,
    ),
  );
  const measured = (label: string, points: (data: RunData) => Curve["points"]): Curve[] =>
    runs.map(({ name, state }, i) => ({
      label: isOne ? label : name,
      color: `--c${(i % 5) + 1}`,
      hasPoints: true,
      points: state ? points(state.data) : [],
    }));
  const validations = measured("held-out text", (data) =>
    data.validations.map(({ tokens, valBitsPerByte }) => [tokens, valBitsPerByte]),
  );
  const evaluations = (figure: string): Curve[] =>
    measured(figure, (data) => data.evaluations.map(({ tokens, figures }) => [tokens, figures[figure] ?? null]));
  const figures = [
    ...new Set(
      runs.flatMap(({ state }) => state?.data.evaluations.flatMap(({ figures }) => Object.keys(figures)) ?? []),
    ),
  ];
  const hasPolicy = runs.some(({ state }) => state?.data.points.some(({ policy }) => policy !== null));
  const hasText = validations.some(({ points }) => points.length > 0) || !hasPolicy;
  const loss = of("next token", (point) => point.loss);
  const hasExperts = runs.some(({ state }) => state?.data.points.some(({ maxVio }) => maxVio !== null));
  return (
    <section aria-labelledby="curves-title">
      <div class="section-head">
        <h2 id="curves-title">{isOne ? runs[0]?.name : `${runs.length} runs`}</h2>
        <LiveMark states={runs.flatMap(({ state }) => state ?? [])} />
        <label class="check">
          <input type="checkbox" checked={isSmooth} onChange={(event) => setIsSmooth(event.currentTarget.checked)} />
          smooth
        </label>
        <label class="check">
          <input type="checkbox" checked={isLog} onChange={(event) => setIsLog(event.currentTarget.checked)} />
          logarithmic losses
        </label>
      </div>
      {loading.length > 0 && problems.length === 0 && (
        <p class="hint">Reading {loading.map(({ name }) => name).join(", ")} …</p>
      )}
      {problems.map((problem) => (
        <p key={problem} class="problem" role="alert">
          {problem}
        </p>
      ))}
      {isOne && runs[0]?.state && <KeyNumbers state={runs[0].state} />}
      <div class="charts">
        {hasPolicy && (
          <Chart
            title="Reward"
            unit="mean of the answers"
            curves={of("reward", ({ policy }) => policy?.reward)}
            format={fixed(3)}
          />
        )}
        {figures.map((figure) => (
          <Chart
            key={figure}
            title={`Held-out ${figure}`}
            unit="of problems not trained on"
            curves={evaluations(figure)}
            format={fixed(3)}
          />
        ))}
        {hasPolicy && (
          <>
            <Chart
              title="Entropy"
              unit="nats per token"
              curves={of("entropy", ({ policy }) => policy?.entropy)}
              format={fixed(3)}
              isFromZero
            />
            <Chart
              title="KL to the reference"
              unit="nats per token"
              curves={of("k3", ({ policy }) => policy?.kl)}
              format={fixed(4)}
            />
            <Chart
              title="Length of answers"
              unit="tokens"
              curves={of("mean", ({ policy }) => policy?.length)}
              format={fixed(1)}
            />
            <Chart
              title="Groups all alike"
              unit="share that teaches nothing"
              curves={of("share", ({ policy }) => policy?.flatShare)}
              format={fixed(2)}
              isFromZero
            />
          </>
        )}
        {hasText && (
          <Chart title="Bits per byte" unit="held-out files, lower is better" curves={validations} format={fixed(3)} />
        )}
        <Chart
          title="Training loss"
          unit={isOne ? "nats per token" : "next token, nats"}
          curves={isOne ? [...loss, ...mtp.flat()] : loss}
          format={fixed(3)}
          isLog={isLog}
        />
        {!isOne &&
          mtp.map((curves, k) => (
            <Chart
              key={k}
              title={`MTP loss, depth ${k + 1}`}
              unit="nats per token"
              curves={curves}
              format={fixed(3)}
              isLog={isLog}
            />
          ))}
        <Chart
          title="Learning rate"
          unit="of AdamW"
          curves={of("learning rate", (point) => point.learningRate)}
          format={shortNumber}
        />
        <Chart
          title="Gradient norm"
          unit="before clipping, logarithmic"
          curves={of("gradient norm", (point) => point.gradNorm)}
          format={fixed(3)}
          isLog
        />
        <Chart
          title="Speed"
          unit="tokens per second"
          curves={of("tokens/s", (point) => point.tokensPerSecond)}
          format={shortNumber}
          isFromZero
        />
        {hasExperts && (
          <Chart
            title="MaxVio"
            unit="busiest expert above its fair share; 0 is balanced"
            curves={of("worst layer", (point) => point.maxVio)}
            format={fixed(2)}
            isFromZero
          />
        )}
      </div>
    </section>
  );
}

/** Points of a smooth curve, each the mean of its neighbours. */
const smoothPoints = 250;

function thinned(points: readonly CurvePoint[], isSmooth: boolean): readonly CurvePoint[] {
  const size = isSmooth ? Math.ceil(points.length / smoothPoints) : 1;
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) =>
    mergePoints(points.slice(i * size, (i + 1) * size)),
  );
}

function LiveMark({ states }: { readonly states: readonly FollowState[] }): JSX.Element {
  const isLive = states.length > 0 && states.every((state) => state.isLive);
  return (
    <span class={isLive ? "follow on" : "follow"} role="status">
      {isLive ? "following" : "not connected"}
    </span>
  );
}

function KeyNumbers({ state }: { readonly state: FollowState }): JSX.Element | null {
  const { points, validations, start } = state.data;
  const last = points.at(-1);
  if (!last) return null;
  const bits = validations.at(-1)?.valBitsPerByte;
  const accuracy = last.mtpAccuracy[0];
  const remaining = last.totalTokens - last.tokens;
  const numbers: (readonly [string, string])[] = [
    ...(typeof bits === "number" ? [["held-out bits per byte", bits.toFixed(3)] as const] : []),
    ["training loss", last.loss?.toFixed(3) ?? "not finite"],
    ["tokens trained on", shortNumber(last.tokens)],
    ...(remaining > 0 && last.tokensPerSecond ? [["to go", timeLeft(remaining / last.tokensPerSecond)] as const] : []),
    ["tokens/s", last.tokensPerSecond === null ? "–" : shortNumber(last.tokensPerSecond)],
    ...(typeof accuracy === "number" ? [["MTP accuracy", `${(100 * accuracy).toFixed(1)} %`] as const] : []),
    ...(start
      ? [
          [
            "parameters, activated",
            `${shortNumber(start.parameters.total)}, ${shortNumber(start.parameters.activated)}`,
          ] as const,
        ]
      : []),
  ];
  return (
    <dl class="numbers">
      {numbers.map(([name, value], i) => (
        <div key={name} class={i === 0 ? "main" : undefined}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function timeLeft(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}

function fixed(digits: number): (value: number) => string {
  return (value) => value.toFixed(digits);
}
