import { attemptCases } from "./elector-suite-attempts.ts";
import { laterTraceCases } from "./elector-suite-later-traces.ts";
import { releaseCases } from "./elector-suite-releases.ts";
import { runCases } from "./elector-suite-runs.ts";
import { traceCases } from "./elector-suite-traces.ts";
import type { ElectorCase } from "./elector-suite-case.ts";

export type { ElectorCase } from "./elector-suite-case.ts";
export type { ElectorSuiteContext } from "./elector-stage.ts";

/**
 * What a `LeaderElector` promises over any lock, as cases: client-go's own (`T`, `R`, `RC`, `F`, `V`, `X`, `RT`, `H`)
 * with their exact lock calls, and the traces of client-go's flaws (`K`, `E`). Hand each a lease of its own, with a
 * manual clock.
 */
export const electorSuite: readonly ElectorCase[] = [
  ...attemptCases,
  ...releaseCases,
  ...runCases,
  ...traceCases,
  ...laterTraceCases,
];
