import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScriptedModel } from "../../test/serve/scriptedModel.js";
import { writeManifest } from "../checkpoint/manifest.js";
import { type ModelEvent, modelId, ServedModels } from "./servedModels.js";

let run = "";
beforeEach(() => {
  run = join(mkdtempSync(join(tmpdir(), "fathom-served-")), "mine");
});
afterEach(() => rmSync(join(run, ".."), { recursive: true, force: true }));

/** Writes a checkpoint of the run and points `latest` at it. */
function checkpoint(step: number, spoil = false, config = "config.json"): string {
  const name = `step-${String(step).padStart(8, "0")}`;
  const folder = join(run, "checkpoints", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, config), "{}");
  writeFileSync(join(folder, "model.safetensors"), `weights ${step}`);
  writeManifest(folder);
  if (spoil) writeFileSync(join(folder, "model.safetensors"), `WEIGHTS ${step}`);
  const link = join(run, "checkpoints", "latest.new");
  symlinkSync(name, link);
  renameSync(link, join(run, "checkpoints", "latest"));
  return folder;
}

interface Opened {
  readonly models: ServedModels;
  readonly opened: ScriptedModel[];
  readonly events: ModelEvent[];
}

async function open(): Promise<Opened> {
  const opened: ScriptedModel[] = [];
  const events: ModelEvent[] = [];
  const models = new ServedModels([{ id: modelId(run), path: run }], {
    open: async (directory) => {
      const model = new ScriptedModel({ write: () => directory }, directory);
      opened.push(model);
      return model;
    },
    prompts: { templateMs: 250, longTextCharacters: 1000, maxTextCharacters: 1000 },
    maxInFlight: 10,
    onEvent: (event) => events.push(event),
  });
  await models.open();
  return { models, opened, events };
}

test("a run's newer checkpoint takes over, and requests in flight end on the old one", async () => {
  checkpoint(1);
  const { models, opened, events } = await open();
  const model = models.find("mine");
  const early = model.acquire();
  await model.reload();
  expect(opened).toHaveLength(1); // nothing new, nothing done
  const second = checkpoint(2);
  await model.reload();
  const late = model.acquire();
  expect(late.opened.model.info.directory).toBe(second);
  expect(late.opened.fingerprint).not.toBe(early.opened.fingerprint);
  expect(early.opened.model).toBe(opened[0]);
  expect(opened[0]?.isClosed).toBe(false);
  early.release();
  early.release();
  expect(opened[0]?.isClosed).toBe(true);
  expect(opened[1]?.isClosed).toBe(false);
  expect(events.map(({ kind }) => kind)).toEqual(["opened", "reloaded"]);
  late.release();
  await models.close();
  expect(opened[1]?.isClosed).toBe(true);
});

test("a damaged checkpoint is reported once, the old one keeps serving, and the next good one is taken", async () => {
  checkpoint(1);
  const { models, opened, events } = await open();
  const model = models.find(null);
  checkpoint(2, true);
  await model.reload();
  await model.reload();
  expect(events.map(({ kind }) => kind)).toEqual(["opened", "failed"]);
  expect(model.failure).toContain("model.safetensors: sha-256");
  const lease = model.acquire();
  expect(lease.opened.model).toBe(opened[0]);
  lease.release();
  rmSync(join(run, "checkpoints"), { recursive: true });
  await model.reload();
  await model.reload();
  expect(model.failure).toContain("no model here");
  expect(model.acquire().opened.model).toBe(opened[0]);
  checkpoint(3);
  await model.reload();
  expect(model.failure).toBeNull();
  expect(model.current?.model).toBe(opened[1]);
  await models.close();
});

test("an open checkpoint that is damaged is reported once and answers nothing, until its files change and are good", async () => {
  const folder = checkpoint(1);
  const { models, opened, events } = await open();
  const model = models.find(null);
  const early = model.acquire();
  Object.assign(opened[0] ?? {}, { damage: "model.safetensors: cut short" });
  for (let i = 0; i < 2; i++) {
    expect(() => model.acquire()).toThrow("the model mine cannot be served: model.safetensors: cut short");
    await model.reload();
  }
  expect(model.damage).toBe("model.safetensors: cut short");
  expect(events.map(({ kind }) => kind)).toEqual(["opened", "damaged"]);
  // Written over with what does not belong there, then with what does: the same files in the same place.
  writeFileSync(join(folder, "model.safetensors"), "weights one");
  await model.reload();
  expect(model.failure).toContain("model.safetensors");
  expect(() => model.acquire()).toThrow("cannot be served");
  writeFileSync(join(folder, "model.safetensors"), "weights 1");
  await model.reload();
  expect([model.damage, model.failure]).toEqual([null, null]);
  expect(model.acquire().opened.model).toBe(opened[1]);
  expect(opened[0]?.isClosed).toBe(false);
  early.release();
  expect(opened[0]?.isClosed).toBe(true);
  expect(events.map(({ kind }) => kind)).toEqual(["opened", "damaged", "failed", "reloaded"]);
  await models.close();
});

test("models have the names of their runs and directories, and no two the same", () => {
  expect(modelId("runs/quickstart")).toBe("quickstart");
  expect(modelId("runs/quickstart/checkpoints/step-00000100/")).toBe("quickstart");
  expect(modelId("models/Moonlight")).toBe("Moonlight");
  const options = {
    open: async () => new ScriptedModel({ write: () => "" }),
    prompts: { templateMs: 250, longTextCharacters: 1000, maxTextCharacters: 1000 },
    maxInFlight: 10,
    onEvent: () => {},
  };
  const twice = [
    { id: "a", path: "x" },
    { id: "a", path: "y" },
  ];
  expect(() => new ServedModels(twice, options)).toThrow("two models would be called a");
});

test("a run of adapters is watched as any other", async () => {
  const first = checkpoint(1, false, "adapter_config.json");
  const { models, opened, events } = await open();
  const second = checkpoint(2, false, "adapter_config.json");
  await models.find("mine").reload();
  expect(opened.map(({ info }) => info.directory)).toEqual([first, second]);
  expect(events.map(({ kind }) => kind)).toEqual(["opened", "reloaded"]);
  await models.close();
});
