import { Agent, request as httpsRequest } from "node:https";
import { CoordinationV1Api, V1MicroTime, type V1Lease } from "@kubernetes/client-node";
import { openKubernetesClient } from "../src/kubernetes/kubernetes-client.ts";
import { LeaseLock } from "../src/kubernetes/lease-lock.ts";
import type { Benchmark, Fact, Prepared, Side } from "./benchmark.ts";
import { LeaseServer, storedLease } from "./lease-server.ts";
import { renewing } from "./renewing-lock.ts";

const bare = "bare kept-alive node:https";
const ours = "renewal by a LeaseLock";
const theirs = "renewal by client-node";
const path = "/apis/coordination.k8s.io/v1/namespaces/jobs/leases/billing";
const perHandshake = 200;
/** The sockets of client-node stay open for some 4 s, and their end must not be counted for the next side. */
const aftermathMs = 5_000;

/** What one renewal costs this process in CPU time, over TLS: the request, the body, the answer. */
export const benchmark: Benchmark = {
  row: "B4",
  bars: [
    { of: ours, to: bare, atMost: 1.5 },
    { of: ours, to: theirs, atMost: 1 / 8 },
  ],
  guards: [],
  notRun: [],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  const servers = {
    bare: await LeaseServer.start(),
    ours: await LeaseServer.start(),
    theirs: await LeaseServer.start(),
  };
  const renewals = { bare: 0, ours: 0, theirs: 0 };
  const side = (name: keyof typeof renewals, count: number, renew: () => Promise<void>): Side => ({
    sample: async () => {
      const before = process.cpuUsage();
      for (let done = 0; done < count; done += 1) await renew();
      const { user, system } = process.cpuUsage(before);
      renewals[name] += count;
      return ((user + system) * 1_000) / count;
    },
  });
  const bareRenewal = bareRenewals(servers.bare);
  const client = await openKubernetesClient({ kubeConfig: servers.ours.kubeConfig() });
  const leaseRenewal = await renewing(new LeaseLock({ client, namespace: "jobs", name: "billing", events: "off" }));
  const count = quick ? 50 : 250;
  const bareSide = side("bare", count, bareRenewal.renew);
  const ourSide = side("ours", count, leaseRenewal);
  // Until the compiler has seen enough of both: what it costs is no part of a renewal.
  for (let warm = 0; warm < (quick ? 1 : 8); warm += 1) for (const each of [bareSide, ourSide]) await each.sample();
  return {
    samplesPerRound: quick ? 2 : 3, // with 7 rounds and one to warm up: 6,000 renewals
    sides: {
      [bare]: bareSide,
      [ours]: ourSide,
      [theirs]: resting(side("theirs", count / 10, peerRenewals(servers.theirs)), quick ? 0 : aftermathMs),
    },
    check: async () => {
      const wanted = { ...renewals, ours: renewals.ours + 1 }; // and the read before the first one
      for (const name of ["bare", "ours", "theirs"] as const) {
        const { requests } = await servers[name].count();
        if (requests !== wanted[name]) throw new Error(`${name}: ${requests} of ${wanted[name]} requests`);
      }
    },
    facts: async (): Promise<Fact[]> => {
      const { handshakes, requests } = await servers.ours.count();
      const atMost = Math.ceil(requests / perHandshake);
      return [{ name: `handshakes for ${requests} requests`, value: handshakes, unit: "", atMost }];
    },
    close: async () => {
      bareRenewal.close();
      await client.close();
      for (const server of Object.values(servers)) server.close();
    },
  };
}

/** The same, with a rest after each sample. */
function resting({ sample }: Side, restMs: number): Side {
  return {
    sample: async () => {
      const ns = await sample();
      await new Promise((resolve) => setTimeout(resolve, restMs));
      return ns;
    },
  };
}

/** What nobody can do without: one request over a kept connection, its body as text, the answer parsed. */
function bareRenewals({ ca, port }: LeaseServer): { renew: () => Promise<void>; close: () => void } {
  const agent = new Agent({ keepAlive: true, ca });
  const headers = { "content-type": "application/json", authorization: "Bearer t0ken", accept: "application/json" };
  let lease: object = storedLease;
  const send = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify(lease);
      const length = { "content-length": Buffer.byteLength(body) };
      const options = { host: "127.0.0.1", port, path, method: "PUT", agent, headers: { ...headers, ...length } };
      const request = httpsRequest(options, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece: string) => (text += piece));
        response.on("end", () => resolve(text));
      });
      request.on("error", reject);
      request.end(body);
    });
  const renew = async (): Promise<void> => {
    lease = JSON.parse(await send()) as object; // cast: the Lease that was sent
  };
  return { renew, close: () => agent.destroy() };
}

function peerRenewals(server: LeaseServer): () => Promise<void> {
  const api = server.kubeConfig().makeApiClient(CoordinationV1Api);
  let lease = structuredClone(storedLease) as unknown as V1Lease; // cast: the same fields, as its model has them
  return async () => {
    Object.assign(lease.spec ?? {}, { acquireTime: new V1MicroTime(), renewTime: new V1MicroTime() });
    lease = await api.replaceNamespacedLease({ name: "billing", namespace: "jobs", body: lease });
  };
}
