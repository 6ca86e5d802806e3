import { expect, test } from "vitest";
import { startPeer } from "./peerProcess.js";
import { measureSection, parseMark, shortSeconds } from "./rounds.js";

test("peers take turns with ours, and only the last of their lines counts", async () => {
  const order: string[] = [];
  const lines: string[] = [];
  let asked = 0;
  const peer = {
    name: "peer",
    run: async (line: string): Promise<number> => {
      order.push(line);
      return ++asked;
    },
    close: () => {},
  };
  const section = await measureSection({
    name: "a section",
    rounds: 2,
    say: (line) => lines.push(line),
    ours: () => order.push("ours"),
    peers: [
      { peer, ask: ["first", "second"] },
      { peer: { missing: "install it" }, ask: ["never"] },
    ],
  });
  expect(order).toEqual(["ours", "first", "second", "ours", "first", "second"]);
  expect(section.ours).toEqual([1, 4]);
  expect(section.peers).toEqual([{ name: "peer", samples: [2, 4] }, { missing: "install it" }]);
  const [begin, end] = lines.map(parseMark);
  expect(begin).toEqual({ name: "a section", seconds: null });
  expect(end?.name).toBe("a section");
  expect(end?.seconds).toBeGreaterThan(0.05);
});

test("parseMark leaves other lines alone", () => {
  expect(parseMark("bench: end decode small depth 0 1.250 s")).toEqual({ name: "decode small depth 0", seconds: 1.25 });
  expect(parseMark("bench: end decode small 1.250 s, 0.400 s of it looking at the memory")?.seconds).toBe(1.25);
  expect(parseMark("small: 16 x 256 tokens a step")).toBeNull();
});

test("shortSeconds is the time of one call", () => {
  const wait = (): void => {
    const end = performance.now() + 2;
    while (performance.now() < end);
  };
  expect(shortSeconds(wait, 10)).toBeGreaterThanOrEqual(0.002);
  expect(shortSeconds(wait, 10)).toBeLessThan(0.02);
});

test("shortSeconds does not count the first call", () => {
  let calls = 0;
  const wait = (): void => {
    const end = performance.now() + (calls++ === 0 ? 30 : 1);
    while (performance.now() < end);
  };
  expect(shortSeconds(wait, 0)).toBeLessThan(0.01);
  expect(calls).toBe(4);
});

const node = (script: string): { program: string; args: string[] } => ({
  program: process.execPath,
  args: ["-e", script],
});

test("a peer answers each line with its seconds", async () => {
  const script = `console.log("noise"); console.log('{"ready":true,"version":"1.2"}');
    require("readline").createInterface({input: process.stdin}).on("line", (line) => console.log('{"seconds":' + line.length + "}"));`;
  const peer = await startPeer(node(script), ({ version }) => `peer ${String(version)}`);
  expect(peer.name).toBe("peer 1.2");
  expect([await peer.run("abc"), await peer.run("abcde")]).toEqual([3, 5]);
  peer.close();
});

test("a peer that does not start is reported with its last words", async () => {
  const failing = node('console.error("loading\\nno module named torch"); process.exit(1)');
  await expect(startPeer(failing, () => "peer")).rejects.toThrow(/^no module named torch$/);
  await expect(startPeer({ program: "/no/such/program", args: [] }, () => "peer")).rejects.toThrow(/ENOENT/);
});
