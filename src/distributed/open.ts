/**
 * The communicator of this process: MPI's when a launcher started several processes (or one, through mpirun), else the single one.
 * The MPI addon is loaded only in the first case. spec: infrastructure 10.2.
 */
import type { Communicator } from "./communicator.js";
import { launchedSize } from "./launcher.js";
import { type MpiOptions, openMpi } from "./mpi.js";
import { singleCommunicator } from "./single.js";

export interface OpenWorldOptions extends MpiOptions {
  /** `auto` (default) asks the launcher's environment variables. */
  readonly transport?: "auto" | "single" | "mpi";
}

/** Joins this process's job; once per process. @throws MpiUnavailableError, RangeError, Error as `openMpi` */
export async function openWorld(options: OpenWorldOptions = {}): Promise<Communicator> {
  const { transport = "auto" } = options;
  const size = launchedSize();
  if (transport === "mpi" || (transport === "auto" && size !== undefined)) return openMpi(options);
  if (size !== undefined && size > 1) {
    throw new RangeError(
      `transport is single in a job of ${size} processes, where each would do all the work: start one without the launcher`,
    );
  }
  return singleCommunicator();
}
