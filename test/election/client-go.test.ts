// Goal: the elector does in every case of client-go's own tests what the table of the conformance asks for, call by
// call. Method: the published elector suite over three kinds of locks, with the manual clock; each id of the table has
// to be there.
import { runElectorCases } from "./elector-cases.ts";

runElectorCases("client-go", [
  ...["T1", "T2", "T3", "T3b", "T4", "T5", "T6", "T7", "T8", "T8b"],
  ...["R1", "R2", "R3", "R3b", "RC1", "RC2", "F1", "F2"],
  ...["V1", "V2", "V3", "X1", "RT1", "H1", "H2", "H3", "H4", "H5"],
]);
