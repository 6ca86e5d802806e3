import { expect, test } from "vitest";
import { contract } from "./contract.js";
import { singleCommunicator } from "./single.js";

for (const { name, run } of contract) {
  test(`alone: ${name}`, () => run(singleCommunicator()));
}

test("a message to oneself that was never sent is an error instead of a wait for ever", async () => {
  await expect(singleCommunicator().receive(new Uint8Array(1), 0, 4)).rejects.toThrow("tag 4) that was not sent");
});
