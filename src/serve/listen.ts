/** The handler behind a port: limits on heads, bodies and silence of connections, and errors of the protocol itself as JSON. */
import { createServer, type Server, type ServerOptions } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { ErrorBody } from "./apiError.js";
import type { ServerSettings } from "./settings.js";

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, lets answers reach their clients for so long, and closes what is then still open. */
  readonly close: (graceMs: number) => Promise<void>;
}

const maxHeaderBytes = 16_384;
const idleMs = 30_000;

/** @throws the system's error if the port cannot be had */
export async function listen(app: Hono, settings: ServerSettings): Promise<Listening> {
  const { receiveTimeoutMs, requestTimeoutMs } = settings;
  const options: ServerOptions = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: receiveTimeoutMs,
    requestTimeout: receiveTimeoutMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(1000, receiveTimeoutMs),
  };
  const server = createServer(options, getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  server.maxConnections = settings.maxConnections;
  // A client that neither reads nor writes for longer than any request may take.
  server.setTimeout(requestTimeoutMs + receiveTimeoutMs);
  server.on("clientError", refuse);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(settings.port, settings.host, resolve);
  });
  const { port, address, family } = server.address() as AddressInfo; // a port, not a pipe
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    port,
    close: (graceMs) => closed(server, graceMs),
  };
}

async function closed(server: Server, graceMs: number): Promise<void> {
  const over = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), 10); // one is idle once its answer is out
  const late = setTimeout(() => server.closeAllConnections(), graceMs);
  await over;
  clearInterval(idle);
  clearTimeout(late);
}

const refusals: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", `the head is larger than ${maxHeaderBytes} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request did not arrive in time"],
};

/** Answers what is no HTTP, or comes too slowly or too large, and closes. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, message] = refusals[error.code ?? ""] ?? ["400 Bad Request", "not a request of HTTP/1.1"];
  const body: ErrorBody = {
    error: { message, type: "invalid_request_error", param: null, code: error.code?.toLowerCase() ?? null },
  };
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}
