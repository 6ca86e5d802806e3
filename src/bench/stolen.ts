/** Time that a hypervisor gives to others while this machine would run: the reason of pauses that no program here can see coming. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Linux tells times in hundredths of a second, whatever its own clock does. */
const ticksPerSecond = 100;

/** Seconds of all processors since the machine was started; null where the system does not say. @param stat text of /proc/stat */
export function stolenSeconds(stat: string | null): number | null {
  // cpu user nice system idle iowait irq softirq steal ...
  const ticks = /^cpu +(?:\d+ +){7}(\d+)/m.exec(stat ?? "")?.[1];
  return ticks === undefined ? null : Number(ticks) / ticksPerSecond;
}

function readStat(): string | null {
  try {
    return readFileSync("/proc/stat", "latin1");
  } catch {
    return null;
  }
}

/** @returns tells the share of the processors' time since this call that was given to others; null where the system does not say */
export function watchStolen(): () => number | null {
  const [before, begun] = [stolenSeconds(readStat()), performance.now()];
  return () => {
    const now = stolenSeconds(readStat());
    if (now === null || before === null) return null;
    const seconds = (performance.now() - begun) / 1000;
    return Number(((now - before) / (seconds * cpus().length)).toPrecision(3));
  };
}
