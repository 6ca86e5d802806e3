import fc from "fast-check";
import { expect, test } from "vitest";
import { EventParser, readEvents } from "./sse.js";

const stream =
  ': hello\n\ndata: {"a":1}\n\nid: 7\ndata: one\ndata: two\n\nevent: reset\r\ndata:{}\r\n\r\nevent: nothing\n\ndata: [DONE]\n\n';
const expected = [
  { event: "message", data: '{"a":1}', id: "" },
  { event: "message", data: "one\ntwo", id: "7" },
  { event: "reset", data: "{}", id: "7" },
  { event: "message", data: "[DONE]", id: "7" },
];

test("EventParser takes comments, several data lines, ids, names and every line end", () => {
  expect(new EventParser().push(stream)).toEqual(expected);
});

test("EventParser finds the same events wherever the text is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 12 }), (cuts) => {
      const parser = new EventParser();
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const events = places.slice(1).flatMap((to, i) => parser.push(stream.slice(places[i], to)));
      expect(events).toEqual(expected);
    }),
  );
});

test("readEvents joins characters that two pieces share", async () => {
  const bytes = new TextEncoder().encode("data: €\n\n");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events = [];
  for await (const { data } of readEvents(body)) events.push(data);
  expect(events).toEqual(["€"]);
});
