// One elector of a hand-over on a Lease: node lease-elector-process.ts FILE#NAMESPACE, with the file of a kubeconfig.
import { KubeConfig } from "@kubernetes/client-node";
import { openKubernetesClient } from "../src/kubernetes/kubernetes-client.ts";
import { LeaseLock } from "../src/kubernetes/lease-lock.ts";
import { electorSide } from "./elector-side.ts";

const [file = "", namespace = ""] = (process.argv[2] ?? "").split("#");
const kubeConfig = new KubeConfig();
kubeConfig.loadFromFile(file);
const client = await openKubernetesClient({ kubeConfig });
electorSide(() => new LeaseLock({ client, namespace, name: "handover", events: "off" }));
