// Probes of a Deployment, with express: is it alive, is it ready, who leads? Standbys are alive and ready: readiness
// that followed leadership would stall every roll-out. Needs the package express.
import { once } from "node:events";
import type { Server } from "node:http";
import express from "express";
import { LeaderElector, type Leadership } from "tenure";
import { LeaseLock } from "tenure/kubernetes";
import { FakeKubernetes } from "tenure/testing";

const cluster = new FakeKubernetes(); // in a pod: await openKubernetesClient()

/** One replica: its elector, and its routes. */
function replica(label: string): { label: string; elector: LeaderElector; server: Server } {
  const lock = new LeaseLock({ client: cluster.connect(), namespace: "billing", name: "invoices", label });
  const work = ({ signal }: Leadership) => new Promise((end) => signal.addEventListener("abort", end));
  const elector = new LeaderElector({ lock, callbacks: { onStartedLeading: work } });
  const app = express();
  // Restart it only where that helps: it leads and cannot renew, or work of an ended term still runs.
  app.get("/healthz", (_request, response) => {
    try {
      elector.check(5_000);
      response.send("ok");
    } catch (error) {
      response.status(503).send(String(error));
    }
  });
  // Ready as soon as it knows who leads, leading or not.
  app.get("/readyz", (_request, response) => {
    response.status(elector.leader === undefined ? 503 : 200).send(elector.state);
  });
  app.get("/leader", (_request, response) => {
    response.json({ holder: elector.leader?.split("_")[0] ?? null, leading: elector.isLeader() });
  });
  return { label, elector, server: app.listen(0, "127.0.0.1") };
}

const replicas = ["ada", "bob"].map(replica);
await Promise.all(replicas.map(({ server }) => once(server, "listening")));

async function tell(path: string): Promise<void> {
  for (const { label, server } of replicas) {
    const { port } = Object(server.address());
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    console.log(`${label} ${path}: ${answer.status} ${await answer.text()}`);
  }
}

await tell("/readyz"); // not yet: it has not looked
for (const { elector } of replicas) {
  const seen = new Promise((resolve) => elector.once("newLeader", resolve));
  void elector.run();
  await seen;
}
for (const path of ["/healthz", "/readyz", "/leader"]) await tell(path);
for (const { elector, server } of replicas) {
  await elector.stop(); // first, so that a standby takes over while this one still answers
  server.close();
}
