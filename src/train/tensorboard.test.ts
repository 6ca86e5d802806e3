import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crc32c, EventFile } from "./tensorboard.js";

test("crc32c gives the published check values", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa); // RFC 3720, B.4
});

test("an event file is framed records whose bytes are known", () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-events-"));
  try {
    const file = new EventFile(join(folder, "events.out.tfevents.test"));
    file.scalars(300, { loss: 1.5 });
    const bytes = readFileSync(file.path);
    const first = Number(bytes.readBigUInt64LE(0));
    expect(bytes.subarray(12, 12 + first).toString("latin1")).toContain("brain.Event:2");
    const second = 12 + first + 4;
    const length = Number(bytes.readBigUInt64LE(second));
    const body = bytes.subarray(second + 12, second + 12 + length);
    // step 300 as a varint, then summary { value { "loss", 1.5 } }
    expect(body.subarray(9).toString("hex")).toBe("10ac022a0d0a0b0a046c6f7373150000c03f");
    expect(bytes.length).toBe(second + 12 + length + 4);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
