/** Keeps a run's data up to date: first what is there, page by page, then each event as it comes; after a lost connection from where it was. */

import { parseLine } from "../../../src/serve/runEvents.js";
import type { EventsPage } from "../../../src/serve/runs.js";
import { getJson, openStream } from "../api.js";
import { readEvents } from "../sse.js";
import { RunData } from "./runData.js";

export interface FollowState {
  readonly data: RunData;
  /** Whether everything that was there has been read. */
  readonly isLoaded: boolean;
  readonly isLive: boolean;
  readonly problem: string | null;
}

const retryMs = 2000;

/** @param onChange gets the state whenever it has changed; ends with the signal and never rejects */
export async function followRun(
  name: string,
  signal: AbortSignal,
  onChange: (state: FollowState) => void,
): Promise<void> {
  const base = `/api/runs/${encodeURIComponent(name)}`;
  let state: FollowState = { data: new RunData(), isLoaded: false, isLive: false, problem: null };
  const change = (values: Partial<FollowState>): void => {
    state = { ...state, ...values };
    if (!signal.aborted) onChange(state);
  };
  let next = 0;
  while (!signal.aborted) {
    try {
      if (!state.isLoaded) {
        const data = new RunData();
        next = await load(base, data, signal);
        change({ data, isLoaded: true, problem: null });
      }
      const stream = await openStream(`${base}/follow?from=${next}`, null, signal);
      change({ isLive: true, problem: null });
      for await (const { event, data, id } of readEvents(stream)) {
        if (event === "reset") {
          change({ isLoaded: false });
          break;
        }
        const line = parseLine(data);
        if (line) state.data.add(line);
        if (id !== "") next = Number(id);
        change({});
      }
      change({ isLive: false });
    } catch (error) {
      change({ isLive: false, problem: error instanceof Error ? error.message : String(error) });
    }
    if (!signal.aborted && state.isLoaded) await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

async function load(base: string, data: RunData, signal: AbortSignal): Promise<number> {
  let page: EventsPage = await getJson(`${base}/events`, signal);
  const strides = `stride=${page.stride}&loadStride=${page.loadStride}`;
  for (;;) {
    for (const event of page.events) data.add(event);
    const { next, size } = page;
    if (next >= size || signal.aborted) return next;
    page = await getJson(`${base}/events?from=${next}&${strides}`, signal);
    if (page.next === next) return next; // Nothing but a line that is still being written.
  }
}
