import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { smallConfig, smallModel } from "../../test/invariance/models.js";
import type { Communicator, Reducible } from "../distributed/communicator.js";
import { singleCommunicator } from "../distributed/single.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { loadWeights, readConfig } from "./modelFiles.js";
import { findCheckpoint, listCheckpoints } from "./runDirectory.js";
import { loadTrainState, type StatePiece, saveTrainState } from "./trainState.js";

let run = "";
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "fathom-state-"));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

/** Members of a group in one process that wait for each other; only what a save needs. */
function group(size: number): Communicator[] {
  let waiting: { data: Reducible; go: () => void }[] = [];
  const single = singleCommunicator();
  const meet = (data: Reducible): Promise<void> =>
    new Promise((go) => {
      waiting.push({ data, go });
      if (waiting.length < size) return;
      const all = waiting;
      waiting = [];
      const most = Math.max(...all.map((member) => member.data[0] ?? 0));
      for (const member of all) {
        member.data[0] = most;
        member.go();
      }
    });
  return Array.from({ length: size }, (_, rank) =>
    Object.assign(Object.create(single) as Communicator, {
      rank,
      size,
      allReduce: (data: Reducible) => meet(data),
      barrier: () => meet(new Int32Array(1)),
    }),
  );
}

/** One process of a job: `expertRanks` neighbours share the experts. */
interface Member {
  readonly model: DeepseekV3;
  readonly pieces: readonly StatePiece[];
  readonly groups: { readonly world: Communicator; readonly expertGroup: Communicator; readonly experts: Communicator };
  readonly share: { readonly rank: number; readonly size: number };
}

/** What element i of an array of a parameter holds; exact in bfloat16 for the moments. */
function elementOf(kind: string, name: string, i: number): number {
  if (kind === "master") return Math.sin(i + name.length) / 3;
  return ((i * 13 + name.length * 7 + kind.charCodeAt(0)) % 251) / 64;
}

/** A member's model, and its pieces as the optimizer cuts them. */
function createMember(world: Communicator, expertRanks: number, dtype: ComputeDtype, fill: boolean): Member {
  const { size, rank } = world;
  const share = { rank: rank % expertRanks, size: expertRanks };
  const replica = Math.floor(rank / expertRanks);
  const as = (groupRank: number, groupSize: number): Communicator =>
    Object.assign(Object.create(world) as Communicator, { rank: groupRank, size: groupSize });
  const expertGroup = as(share.rank, expertRanks);
  const experts = as(replica, size / expertRanks);
  const model = new DeepseekV3(smallConfig(), dtype, expertGroup);
  const pieces = model.parameters.map((parameter): StatePiece => {
    const { name, shape, data, isTrained } = parameter;
    const isExpert = shape.length === 3;
    const offset = isExpert ? share.rank * data.size : 0;
    const among = isExpert ? experts : world;
    const length = Math.ceil(data.size / among.size);
    const start = Math.min(data.size, among.rank * length);
    const count = Math.min(length, data.size - start);
    if (fill) {
      const values = Float32Array.from({ length: data.size }, (_, i) => elementOf("master", name, offset + i));
      data.bytes().set(Tensor.fromFloats(model.arena, shape, values, dtype === data.dtype ? dtype : "float32").bytes());
    }
    const array = (kind: string, type: ComputeDtype): Tensor =>
      Tensor.fromFloats(
        model.arena,
        [count],
        Float32Array.from({ length: count }, (_, i) => (fill ? elementOf(kind, name, offset + start + i) : -1)),
        type,
      );
    const arrays = {
      m: array("m", "bfloat16"),
      v: array("v", "float32"),
      ...(data.dtype === "float32" || !isTrained ? {} : { master: array("master", "float32") }),
    };
    return { parameter: name, start: offset + start, length: count, arrays };
  });
  return { model, pieces, groups: { world, expertGroup, experts }, share };
}

function job(size: number, expertRanks: number, dtype: ComputeDtype, fill: boolean): Member[] {
  return group(size).map((world) => createMember(world, expertRanks, dtype, fill));
}

async function save(
  members: readonly Member[],
  step: number,
  extras: (folder: string) => void = () => {},
): Promise<string> {
  const [path = ""] = await Promise.all(
    members.map(({ model, pieces, groups }) =>
      saveTrainState({ run, step, model, pieces, groups, keepLast: 3, state: { step, note: "x" }, extras }),
    ),
  );
  return path;
}

/** Every element of a member is what `elementOf` says. */
function expectRestored({ model, pieces, share }: Member): void {
  for (const { name, shape, data } of model.parameters) {
    const offset = shape.length === 3 ? share.rank * data.size : 0;
    const exact = Float32Array.from({ length: data.size }, (_, i) => elementOf("master", name, offset + i));
    const expected = Tensor.fromFloats(model.arena, shape, exact, data.dtype === "bfloat16" ? "bfloat16" : "float32");
    expect(Buffer.compare(data.bytes(), expected.bytes()), name).toBe(0);
  }
  for (const { parameter, start, length, arrays } of pieces) {
    for (const [kind, tensor] of Object.entries(arrays)) {
      const expected = Float32Array.from({ length }, (_, i) => elementOf(kind, parameter, start + i));
      expect(
        Buffer.compare(new Uint8Array(tensor.toFloats().buffer, 0, 4 * length), new Uint8Array(expected.buffer)),
      ).toBe(0);
    }
  }
}

test.each<[number, number, number, number, ComputeDtype]>([
  [1, 1, 1, 1, "float32"],
  [1, 1, 1, 1, "bfloat16"],
  [2, 1, 1, 1, "bfloat16"],
  [1, 1, 3, 1, "bfloat16"],
  [4, 2, 2, 2, "bfloat16"],
  [2, 2, 1, 1, "float32"],
  [4, 4, 2, 1, "bfloat16"],
  [3, 1, 4, 2, "float32"],
])(
  "what %i processes (experts over %i) save, %i (over %i) read, in %s",
  async (size, ranks, newSize, newRanks, dtype) => {
    const path = await save(job(size, ranks, dtype, true), 5);
    expect(findCheckpoint(run)).toEqual({ path, step: 5 });
    for (const member of job(newSize, newRanks, dtype, false)) {
      const { state } = loadTrainState(path, member.model, member.share, member.pieces);
      expect(state).toEqual({ version: 1, step: 5, note: "x" });
      expectRestored(member);
    }
    // Anyone can read the weights alone.
    const model = new DeepseekV3(readConfig(path), dtype, singleCommunicator());
    expect(loadWeights(model, path)).toEqual({ unexpected: [] });
  },
);

test.each<[ComputeDtype, ComputeDtype, number]>([
  ["float32", "bfloat16", 1],
  ["float32", "bfloat16", 2],
  ["bfloat16", "float32", 1],
  ["bfloat16", "float32", 2],
])("a run of %s goes on in %s with the exact weights, experts over %i", async (from, to, ranks) => {
  const path = await save(job(2, 2, from, true), 5);
  for (const member of job(2, ranks, to, false)) {
    loadTrainState(path, member.model, member.share, member.pieces);
    expectRestored(member);
  }
});

test("a save that fails for want of space leaves the checkpoint before and no rest", async () => {
  const members = job(2, 1, "float32", true);
  const path = await save(members, 5);
  const before = readdirSync(path).map((name) => readFileSync(join(path, name), "base64"));
  const failing = save(members, 6, () => {
    throw new Error("ENOSPC: no space left on device, write");
  });
  await expect(failing).rejects.toThrow(
    /step-00000006: not saved: ENOSPC: no space left on device, write; the checkpoints before it stay/,
  );
  await Promise.allSettled([failing]);
  expect(listCheckpoints(run).map(({ step }) => step)).toEqual([5]);
  expect(readdirSync(join(run, "checkpoints")).sort()).toEqual(["latest", "step-00000005"]);
  expect(readdirSync(path).map((name) => readFileSync(join(path, name), "base64"))).toEqual(before);
  const [fresh] = job(1, 1, "float32", false);
  loadTrainState(path, fresh!.model, fresh!.share, fresh!.pieces);
  expectRestored(fresh!);
});

test("every process learns that another one could not write", async () => {
  const members = job(3, 1, "float32", true);
  const broken: StatePiece = { parameter: "x", start: 0, length: 2, arrays: { m: members[1]!.pieces[0]!.arrays.m! } };
  const saves = members.map(({ model, pieces, groups }, rank) =>
    saveTrainState({
      run,
      step: 6,
      model,
      pieces: rank === 1 ? [broken] : pieces,
      groups,
      keepLast: 3,
      state: {},
      extras: () => {},
    }),
  );
  const results = await Promise.allSettled(saves);
  expect(results.map((result) => (result.status === "rejected" ? String(result.reason) : "saved"))).toEqual([
    expect.stringMatching(/step-00000006: not saved, for process 1 failed/),
    expect.stringMatching(/x\/0-2 gave \d+ of 4 bytes/),
    expect.stringMatching(/not saved, for process 1 failed/),
  ]);
  expect(listCheckpoints(run)).toEqual([]);
});

test("a damaged checkpoint is refused, and the newest good one before it named", async () => {
  const members = job(1, 1, "float32", true);
  const [, second, third] = [await save(members, 1), await save(members, 2), await save(members, 3)];
  const damage = (path: string, name: string): void => {
    const bytes = readFileSync(join(path, name));
    bytes[bytes.length - 5]! ^= 1;
    writeFileSync(join(path, name), bytes);
  };
  const [fresh] = job(1, 1, "float32", false);
  const load = (): unknown => loadTrainState(third, fresh!.model, fresh!.share, fresh!.pieces);
  damage(third, "model.safetensors");
  expect(load).toThrow(/step-00000003\/model\.safetensors: sha-256 is .*; .*step-00000002 is good: remove the damaged/);
  damage(second, "trainer.json");
  expect(load).toThrow(/step-00000001 is good/);
  rmSync(join(third, "manifest.json"));
  expect(load).toThrow(/manifest\.json: cannot be read \(no such file\).*step-00000001 is good/);
});

test("a checkpoint of another model, or without the state asked for, is refused by name", async () => {
  const [member] = job(1, 1, "float32", true);
  const path = await save([member!], 1);
  const other = smallModel(smallConfig({ routed_scaling_factor: 2 }));
  expect(() => loadTrainState(path, other, { rank: 0, size: 1 }, [])).toThrow(
    /config\.json: routed_scaling_factor is 2\.5, expected 2 of the model to go on with/,
  );
  const [piece] = member!.pieces;
  const asking = { ...piece!, arrays: { ema: piece!.arrays.v! } };
  expect(() => loadTrainState(path, member!.model, member!.share, [asking])).toThrow(
    /lacks elements 0 to 1464 of ema\/model\.embed_tokens\.weight/,
  );
});

test("saving a step again replaces its checkpoint", async () => {
  const members = job(1, 1, "float32", true);
  await save(members, 4);
  mkdirSync(join(run, "checkpoints", ".step-00000009"));
  const path = await save(members, 4, (folder) => writeFileSync(join(folder, "second"), ""));
  expect(readdirSync(path)).toContain("second");
  expect(readdirSync(join(run, "checkpoints")).sort()).toEqual(["latest", "step-00000004"]);
});
