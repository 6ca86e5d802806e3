import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { launchedRank, launchedSize, timeoutFromEnvironment } from "./launcher.js";
import { loadMpiAddon, MpiUnavailableError, openMpi } from "./mpi.js";
import { openWorld } from "./open.js";

afterEach(() => {
  vi.unstubAllEnvs();
});

test("each launcher's own variable tells the number of processes", () => {
  expect(launchedSize({})).toBeUndefined();
  expect(launchedSize({ OMPI_COMM_WORLD_SIZE: "4" })).toBe(4);
  expect(launchedSize({ PMI_SIZE: "3" })).toBe(3);
  expect(launchedSize({ SLURM_NTASKS: "8" })).toBeUndefined();
  expect(launchedSize({ SLURM_NTASKS: "8", PMIX_RANK: "2" })).toBe(8);
  expect(launchedRank({ PMIX_RANK: "2" })).toBe(2);
  expect(launchedRank({})).toBeUndefined();
});

test("a launcher that gives no number of processes is refused", () => {
  for (const text of ["two", "0", "-1", "1.5"]) {
    expect(() => launchedSize({ PMI_SIZE: text })).toThrow(`gives ${text} processes`);
  }
});

test("the time limit comes from the environment and must be a number of seconds", () => {
  expect(timeoutFromEnvironment({})).toBeUndefined();
  expect(timeoutFromEnvironment({ FATHOM_MPI_TIMEOUT: "0" })).toBe(0);
  expect(timeoutFromEnvironment({ FATHOM_MPI_TIMEOUT: "2.5" })).toBe(2.5);
  for (const text of ["soon", "-1"]) {
    expect(() => timeoutFromEnvironment({ FATHOM_MPI_TIMEOUT: text })).toThrow(RangeError);
  }
});

test("without a launcher the world is one process", async () => {
  vi.stubEnv("OMPI_COMM_WORLD_SIZE", undefined);
  vi.stubEnv("PMI_SIZE", undefined);
  const world = await openWorld();
  expect([world.rank, world.size]).toEqual([0, 1]);
});

test("a job of several processes refuses to run as so many single ones", async () => {
  vi.stubEnv("OMPI_COMM_WORLD_SIZE", "2");
  await expect(openWorld({ transport: "single" })).rejects.toThrow("single in a job of 2 processes");
});

test("impossible options are refused before MPI starts", async () => {
  await expect(openMpi({ timeoutSeconds: -1 })).rejects.toThrow("timeoutSeconds is -1");
  await expect(openMpi({ partBytes: 2 ** 31 })).rejects.toThrow("partBytes is 2147483648");
});

test("a missing or unloadable addon says what to install", () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-mpi-"));
  try {
    expect(() => loadMpiAddon(join(folder, "comm.node"))).toThrow(MpiUnavailableError);
    expect(() => loadMpiAddon(join(folder, "comm.node"))).toThrow(/was not built: install Open MPI \(apt-get install/);
    writeFileSync(join(folder, "broken.node"), "not a library");
    expect(() => loadMpiAddon(join(folder, "broken.node"))).toThrow(/do not load .*: install Open MPI/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
