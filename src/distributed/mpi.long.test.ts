import { beforeAll, describe, expect, test } from "vitest";
import { prepareRanks, runRanks } from "../../test/distributed/mpirun.js";
import { contract } from "./contract.js";

const join = 'import { openWorld } from "./open.js";\nconst world = await openWorld();\n';
const pidLine = 'console.log("rank " + world.rank + " pid " + process.pid);\n';

/** The process id that a rank printed. */
function pidOf(stdout: string, rank: number): number | undefined {
  const found = new RegExp(`rank ${rank} pid (\\d+)`).exec(stdout);
  return found ? Number(found[1]) : undefined;
}

beforeAll(prepareRanks);

describe("the contract of a communicator", () => {
  for (const [ranks, options] of [
    [1, {}],
    [2, {}],
    [3, {}],
    [2, { partBytes: 1000 }],
  ] as const) {
    test(`holds for ${ranks} ranks ${JSON.stringify(options)}`, async () => {
      const program = `import { openWorld } from "./open.js";
        import { contract } from "./contract.js";
        const world = await openWorld(${JSON.stringify(options)});
        for (const { name, run } of contract) {
          await run(world);
          if (world.rank === 0) console.log("held: " + name);
        }
        console.log("size " + world.size);
        await world.close();`;
      const { code, stdout, stderr } = await runRanks(ranks, program);
      expect(stderr).toBe("");
      expect(code).toBe(0);
      for (const { name } of contract) expect(stdout).toContain(`held: ${name}`);
      expect(stdout.split(`size ${ranks}`)).toHaveLength(ranks + 1);
    });
  }
});

describe("a job with a rank in trouble ends and names it", () => {
  // As `mpirun … npx fathom …` does, a shell between mpirun and the program hides from mpirun which process died of what.
  for (const isWrapped of [false, true]) {
    test(`a rank that was killed${isWrapped ? ", started through another program" : ""}`, async () => {
      let killed: number | undefined;
      const onOutput = (stdout: string): void => {
        const pid = pidOf(stdout, 1);
        if (pid === undefined || !stdout.includes("all here") || killed !== undefined) return;
        killed = pid;
        process.kill(pid, "SIGKILL");
      };
      const program = `${join}${pidLine}
        await world.barrier();
        if (world.rank === 0) console.log("all here");
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          await world.allReduce(new Float32Array(10_000), "sum");
        }`;
      const { code, stderr, seconds } = await runRanks(3, program, { onOutput, isWrapped });
      expect(code).toBe(137);
      if (isWrapped) expect(stderr).toMatch(new RegExp(`fathom: rank 1 \\(.+, pid ${killed}\\) has died`));
      else expect(stderr).toMatch(/process rank 1 .*signal 9/);
      expect(seconds).toBeLessThan(20);
    });
  }

  test("a rank that hangs in a computation", async () => {
    const program = `${join}${pidLine}
      await world.allReduce(new Float32Array(10), "sum");
      if (world.rank === 1) for (;;);
      await world.allReduce(new Float32Array(10), "sum");`;
    const { code, stdout, stderr, seconds } = await runRanks(3, program, { env: { FATHOM_MPI_TIMEOUT: "2" } });
    expect(code).toBe(124);
    const waiter = /fathom: rank [02] \(.+, pid \d+\) waits in allReduce for 2 s; not arrived: (.+); the job ends/;
    expect(stderr).toMatch(waiter);
    expect(waiter.exec(stderr)![1]).toMatch(new RegExp(`^rank 1 \\(.+, pid ${pidOf(stdout, 1)}\\)$`));
    expect(seconds).toBeLessThan(20);
  });

  test("a rank that was stopped, while the others wait in different operations", async () => {
    let isStopped = false;
    const onOutput = (stdout: string): void => {
      const pid = pidOf(stdout, 0);
      if (pid === undefined || isStopped || !stdout.includes("all here")) return;
      isStopped = true;
      process.kill(pid, "SIGSTOP");
    };
    const program = `import { openWorld } from "./open.js";
      const world = await openWorld({ timeoutSeconds: 2 });
      ${pidLine}
      await world.barrier();
      if (world.rank === 2) console.log("all here");
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (world.rank === 1) await world.receive(new Uint8Array(3), 0, 5);
      else await world.allGather(new Uint8Array(3), new Uint8Array(1));`;
    const { code, stderr } = await runRanks(3, program, { onOutput });
    expect(code).toBe(124);
    expect(stderr).toMatch(
      /rank 2 \(.*\) waits in allGather for 2 s; not arrived: rank 0 \(.*\), rank 1|rank 1 \(.*\) waits in receive for 2 s; nothing sent by rank 0/,
    );
  });

  test("ranks that call different operations, at once", async () => {
    for (const [first, second] of [
      ["barrier()", "broadcast(new Uint8Array(4), 0)"],
      ["close()", "allReduce(new Float32Array(4), 'sum')"],
    ] as const) {
      const program = `${join}
        if (world.rank === 0) await world.${first};
        else await world.${second};`;
      const { code, stderr, seconds } = await runRanks(2, program);
      expect(code).toBe(1);
      const [a, b] = [first.replace(/\(.*/, ""), second.replace(/\(.*/, "")];
      expect(stderr).toMatch(
        new RegExp(
          `rank 0 \\(.*\\) waits in ${a} while rank 1 \\(.*\\) waits in ${b}|rank 1 \\(.*\\) waits in ${b} while rank 0 \\(.*\\) waits in ${a}`,
        ),
      );
      expect(seconds).toBeLessThan(20);
    }
  });

  test("a message that nobody sends", async () => {
    const program = `${join}
      if (world.rank === 0) await world.receive(new Uint8Array(4), 1, 7);
      else for (;;);`;
    const { code, stderr } = await runRanks(2, program, { env: { FATHOM_MPI_TIMEOUT: "1" } });
    expect(code).toBe(124);
    expect(stderr).toMatch(
      /rank 0 \(.*\) waits in receive for 1 s; nothing sent by rank 1 \(.*, pid \d+\); the job ends/,
    );
  });

  test("arrays of different lengths", async () => {
    for (const [call, message] of [
      [
        'allReduce(new Float32Array(10 + world.rank), "sum")',
        /allReduce: rank [01] \(.*\) sent (40|44|more) bytes where 4[04] are/,
      ],
      [
        "broadcast(new Uint8Array(1000 + world.rank), 1)",
        /broadcast: rank 1 \(.*\) sent (1001|more) bytes where 1000 are/,
      ],
      ["broadcast(new Uint8Array(1000 - world.rank), 1)", /broadcast: rank 1 \(.*\) sent 999 bytes where 1000 are/],
      [
        "allGather(new Uint8Array(8 - 8 * world.rank), new Uint8Array(4 - 4 * world.rank))",
        /allGather: rank [01] \(.*\) sent (0|4|more) bytes where [04] are/,
      ],
    ] as const) {
      const { code, stderr } = await runRanks(2, `${join}await world.${call};\nawait world.barrier();`);
      expect(code, call).toBe(1);
      expect(stderr, call).toMatch(message);
    }
  });

  test("a rank that throws", async () => {
    const program = `${join}
      if (world.rank === 2) await Promise.reject(new Error("the loss of layer 3 is NaN"));
      await world.barrier();`;
    const { code, stderr, seconds } = await runRanks(3, program);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /fathom: rank 2 of 3 \(.+, pid \d+\) failed, the job ends: Error: the loss of layer 3 is NaN/,
    );
    expect(seconds).toBeLessThan(20);
  });

  test("a rank that leaves without closing, with code 0 or another", async () => {
    for (const [code, expected] of [
      [0, 1],
      [7, 7],
    ] as const) {
      const program = `${join}
        if (world.rank === 1) process.exit(${code});
        await world.barrier();`;
      const result = await runRanks(2, program);
      expect(result.code).toBe(expected);
      expect(result.stderr).toMatch(/fathom: rank 1 of 2 \(.*\) ended with exit code \d before it left the job/);
    }
  });

  test("abort", async () => {
    const program = `${join}
      if (world.rank === 0) world.abort(9);
      await world.barrier();`;
    const { code, stderr } = await runRanks(2, program);
    expect(code).toBe(9);
    expect(stderr).toMatch(/fathom: rank 0 of 2 \(.*\) ends the job with exit code 9/);
  });

  test("a launcher that belongs to another MPI", async () => {
    const program = `process.env.OMPI_COMM_WORLD_SIZE = "5";\n${join.replace("import {", "const {").replace('} from "./open.js"', '} = await import("./open.js")')}`;
    const { code, stderr } = await runRanks(2, program);
    expect(code).toBe(1);
    expect(stderr).toMatch(/the launcher started 5 processes and MPI sees 2/);
  });
});

test("a process grid of 4 ranks has its experts in neighbours and its replicas across", async () => {
  const program = `${join}
    import { createGrid, expertRange } from "./grid.js";
    const grid = await createGrid(world, 2);
    const members = async (group) => {
      const all = new Uint8Array(group.size);
      await group.allGather(all, Uint8Array.of(world.rank));
      return [...all];
    };
    const seen = [await members(grid.dense), await members(grid.experts), await members(grid.expertGroup), expertRange(grid, 8)];
    console.log(JSON.stringify([world.rank, ...seen]));
    await world.close();`;
  const { code, stdout } = await runRanks(4, program);
  expect(code).toBe(0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  expect(lines.toSorted()).toEqual([
    [0, [0, 1, 2, 3], [0, 2], [0, 1], { start: 0, end: 4 }],
    [1, [0, 1, 2, 3], [1, 3], [0, 1], { start: 4, end: 8 }],
    [2, [0, 1, 2, 3], [0, 2], [2, 3], { start: 0, end: 4 }],
    [3, [0, 1, 2, 3], [1, 3], [2, 3], { start: 4, end: 8 }],
  ]);
});
