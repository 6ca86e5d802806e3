/**
 * One stream through the server beside the same prompt and tokens in this process, in turn: what HTTP, threads and scheduling cost. A peer that
 * decodes in a process of its own takes turns too.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../../train/measure.js";
import type { Peer } from "../peerProcess.js";
import { measureSection } from "../rounds.js";
import type { BenchRow, PeerRuns } from "../row.js";
import type { InProcess, InProcessTimes } from "./inProcess.js";
import { plannedRequest } from "./loadPlan.js";
import { firstMs } from "./loadSummary.js";
import { allWhole, alone, exactly, planOf, type Serving, speed } from "./serving.js";

/** The pools of two processes must not spin at once: idle threads go on for some milliseconds after their work. */
const settleMs = 50;

/** Turns that do not count take at least as long. */
const warmMs = 1500;

/** @throws RangeError if requests fail, or the server shows fewer than two tokens of an answer */
export async function singleStream(serving: Serving, model: InProcess, peer: Peer | null): Promise<BenchRow[]> {
  const { label, client, repeats, say } = serving;
  const prompt = serving.promptTokens.most;
  const tokens = Math.max(2, serving.outputTokens.most);
  const served: InProcessTimes[] = [];
  const direct: InProcessTimes[] = [];
  const turn = async (): Promise<number> => {
    const lengths = { promptTokens: exactly(prompt), outputTokens: exactly(tokens) };
    const plan = planOf(serving, { ...alone(1), ...lengths });
    const [record] = allWhole(await client.load(plan), "single stream");
    const first = record && firstMs(record);
    const last = record?.pieceMs.at(-1);
    if (!record || !first || last === undefined || record.outputTokens < 2 || record.pieceMs.length < 2) {
      throw new RangeError(`bench serve: single stream: ${record?.pieceMs.length ?? 0} pieces of text, 2 are needed`);
    }
    const nextSeconds = (last - record.startMs - first) / 1000 / (record.outputTokens - 1);
    served.push({ firstSeconds: first / 1000, nextSeconds });
    await sleep(settleMs);
    direct.push(await model.run(plannedRequest(plan, 0).prompt, tokens));
    await sleep(settleMs);
    return (record.endMs - record.startMs) / 1000;
  };
  // The first turns bring weights into memory and code to speed, and do not count; a small model needs more of them.
  const warm = performance.now() + warmMs;
  do await turn();
  while (performance.now() < warm);
  served.length = 0;
  direct.length = 0;
  const ask = [`decode ${prompt} ${tokens - 1}`];
  if (peer && "run" in peer) await peer.run(ask[0] ?? "");
  const { peers } = await measureSection({
    name: `serve ${label}, single stream`,
    rounds: repeats,
    say,
    ours: turn,
    peers: peer ? [{ peer, ask }] : [],
  });
  const [runs = null] = peers;
  const ofOneToken: PeerRuns =
    runs && "samples" in runs ? { ...runs, samples: runs.samples.map((seconds) => seconds / (tokens - 1)) } : runs;
  const row = (what: string, work: number, of: (times: InProcessTimes) => number, theirs: PeerRuns = null): BenchRow =>
    speed(
      serving,
      { what, floorName: "in this process", per: "token", at: { prompt, tokens } },
      "tokens/s",
      served.map((times) => work / of(times)),
      work / median(direct.map(of)),
      theirs,
    );
  return [
    row(`prefill of ${prompt} tokens`, prompt, ({ firstSeconds }) => firstSeconds),
    row(`decode of ${tokens} tokens after ${prompt}`, 1, ({ nextSeconds }) => nextSeconds, ofOneToken),
  ];
}
