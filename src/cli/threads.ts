/** How many threads the kernels of a command use. */

/** Sets the kernels' threads. @returns how many they are */
export async function useThreads(threads: number | undefined): Promise<number> {
  const { availableParallelism } = await import("node:os");
  const { native } = await import("../tensor/native.js");
  const count = threads ?? availableParallelism();
  native().setThreads(count);
  return count;
}
