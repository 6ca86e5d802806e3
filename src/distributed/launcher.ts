/** What mpirun or srun tells the processes it starts, by environment variables. spec: infrastructure 10.2. */

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * How many processes the launcher started; undefined outside of a launcher. Open MPI sets OMPI_COMM_WORLD_SIZE, MPICH and its family
 * PMI_SIZE; Slurm sets SLURM_NTASKS in batch scripts too, so there the rank that PMIx gives must be set as well.
 * @throws RangeError for a value that is no number
 */
export function launchedSize(env: Environment = process.env): number | undefined {
  const text = env.OMPI_COMM_WORLD_SIZE ?? env.PMI_SIZE ?? (env.PMIX_RANK === undefined ? undefined : env.SLURM_NTASKS);
  if (text === undefined || text === "") return undefined;
  const size = Number(text);
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`the launcher's environment gives ${text} processes, expected a whole number`);
  }
  return size;
}

/** This process's rank before it joined the job, for messages; undefined outside of a launcher. */
export function launchedRank(env: Environment = process.env): number | undefined {
  const text = env.OMPI_COMM_WORLD_RANK ?? env.PMI_RANK ?? env.PMIX_RANK;
  return text === undefined || text === "" ? undefined : Number(text);
}

/** FATHOM_MPI_TIMEOUT: seconds that a rank waits for others, 0 for ever; undefined if not set. @throws RangeError */
export function timeoutFromEnvironment(env: Environment = process.env): number | undefined {
  const text = env.FATHOM_MPI_TIMEOUT;
  if (text === undefined || text === "") return undefined;
  const seconds = Number(text);
  if (!(seconds >= 0)) throw new RangeError(`FATHOM_MPI_TIMEOUT is ${text}, expected seconds, 0 or more`);
  return seconds;
}
