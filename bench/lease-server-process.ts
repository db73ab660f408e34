// An API server that keeps one Lease, over TLS on loopback, in a process of its own: what it costs is not counted.
// It takes every PUT, as a server does that finds the right version. Sent: { ca, port }, and on "count" what it saw.
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { makeCertificates } from "../test/kubernetes/certificates.ts";
import { storedLease } from "./lease-server.ts";

/** What the server has seen. */
export interface Counted {
  readonly handshakes: number;
  readonly requests: number;
}

const { ca, server: certificate } = makeCertificates();
let [handshakes, requests] = [0, 0];
const server = createServer(certificate, (request, response) => {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (piece: string) => (text += piece));
  request.on("end", () => {
    requests += 1;
    const version = `"resourceVersion":"${1_000 + requests}"`;
    const body = (text || JSON.stringify(storedLease)).replace(/"resourceVersion":"\d*"/, version);
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
  });
});
server.keepAliveTimeout = 90_000;
server.on("secureConnection", () => (handshakes += 1));
await once(server.listen(0, "127.0.0.1"), "listening");
process.on("message", () => void process.send?.({ handshakes, requests } satisfies Counted));
process.on("disconnect", () => process.exit());
process.send?.({ ca, port: (server.address() as AddressInfo).port }); // cast: it listens on TCP
