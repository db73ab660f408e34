// Goal: processes that elect on a Lease of a real API server survive crashes and freezes of their leader, and hand over
// by watch. Method: the shared cases for processes, each candidate with an account that has the least rights.
import { describeOn } from "./support/found-server.ts";
import { foundKube } from "./support/kube-server.ts";
import { LeasePlace } from "./support/lease-place.ts";
import { processElection } from "./support/process-election.ts";

// The candidates run the built package, and read their kubeconfig from a file.
describeOn(foundKube, (start) => {
  processElection(async () => {
    const kube = await start();
    return {
      async lease() {
        const place = await LeasePlace.make(kube);
        const kubeConfig = await kube.fileOf(await place.candidate());
        return { kubeConfig, namespace: place.namespace, name: place.name };
      },
      [Symbol.asyncDispose]: () => kube[Symbol.asyncDispose](),
    };
  });
});
