// One worker among the pods of several clusters. Each cluster runs the controller of deploy/, all of them over one
// storage, which no pod needs to reach: a pod asks the API server of its own cluster alone, with the rights of
// deploy/multi-cluster-lease-rbac.yaml. A Deployment for it is in docs/multi-cluster.md. Elsewhere KUBECONFIG names the
// cluster: POD_NAME=ada node examples/servers/multi-cluster.ts NAMESPACE
import { setTimeout as sleep } from "node:timers/promises";
import { LeaderElector, type Leadership } from "tenure";
import { MultiClusterLeaseLock, openKubernetesClient } from "tenure/kubernetes";

const namespace = process.argv[2] ?? "";
if (namespace === "") throw new Error("name a namespace: node examples/servers/multi-cluster.ts NAMESPACE");
const label = process.env["POD_NAME"] ?? "somebody"; // by it people recognise a candidate; it need not be unique

async function work(leadership: Leadership): Promise<void> {
  console.log(`leading in term ${leadership.term}`);
  while (!leadership.signal.aborted) await leadership.guard(sendNextInvoice);
}

/** One step. Whatever outlives this process gets the term along, and refuses a lower one than it has seen. */
async function sendNextInvoice(term: number, signal: AbortSignal): Promise<void> {
  console.log(`one invoice, in term ${term}`);
  await sleep(1_000, undefined, { signal });
}

await using client = await openKubernetesClient(); // in a pod: its own cluster, as its service account
const elector = new LeaderElector({
  lock: new MultiClusterLeaseLock({ client, namespace, name: "invoices", label }), // the same names in every cluster
  callbacks: {
    onStartedLeading: work,
    onStoppedLeading: () => console.log("not leading any more"),
    onNewLeader: (identity) => console.log(`the leader is ${identity}`),
  },
  // A silent controller, a storage out of its reach: the code says where to look, and the elector tries again.
  onError: (error, where) => console.error(`${where}:`, error),
});

process.once("SIGTERM", () => void elector.stop()); // the step ends, the lease is released, and another cluster leads
await elector.run();
console.log("released");
