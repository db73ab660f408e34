// Two replicas elect on a Lease of Kubernetes; candidates that run client-go may share it. Needs the package
// @kubernetes/client-node, and a cluster by KUBECONFIG, by ~/.kube/config, or around the pod that it runs in:
// node examples/servers/kubernetes-lease.ts NAMESPACE
import { LeaderElector } from "tenure";
import { LeaseLock, openKubernetesClient } from "tenure/kubernetes";

const namespace = process.argv[2] ?? "";
if (namespace === "") throw new Error("name a namespace: node examples/servers/kubernetes-lease.ts NAMESPACE");

await using client = await openKubernetesClient(); // or with a KubeConfig of your own: { kubeConfig }

function replica(label: string): LeaderElector {
  return new LeaderElector({ lock: new LeaseLock({ client, namespace, name: "examples", label }) });
}

const ada = replica("ada");
const bob = replica("bob");
const first = await ada.acquire();
console.log(`ada leads in a term of her own: ${first.isHeld()}`);
const following = new Promise((resolve) => bob.on("newLeader", resolve));
const second = bob.acquire(); // stands by: the watch tells him of each renewal, and he sends nothing
await following;

const releasedAtMs = performance.now();
await first[Symbol.asyncDispose](); // releases the Lease; the watch carries it
const waitedMs = (await second).isHeld() ? performance.now() - releasedAtMs : Infinity;
console.log(`bob leads in a later term: ${(await second).term > first.term}`);
console.log(`he waited for the watch, not for a poll: ${waitedMs < 1_000}`);
await (await second)[Symbol.asyncDispose]();
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace, name: "examples" };
const { spec } = (await client.read(ref)) ?? {};
console.log(`the Lease is free: ${JSON.stringify(Object(spec).holderIdentity) === '""'}`);
