import type { VersionedStorage } from "../storage/versioned-storage.ts";
import { capabilityCases } from "./storage-suite-capabilities.ts";
import type { StorageSuiteCase } from "./storage-suite-case.ts";
import { historyCases } from "./storage-suite-histories.ts";
import { troubleCases } from "./storage-suite-trouble.ts";
import { valueCases } from "./storage-suite-values.ts";
import { writeCases } from "./storage-suite-writes.ts";

export { runSuite } from "./run-suite.ts";

/**
 * What every `VersionedStorage` promises, as cases over two connections; hand it to `runSuite`, with a harness for your
 * own driver. A driver is done when all of them hold, or `lacks` says why not.
 */
export const versionedStorageSuite: readonly StorageSuiteCase<VersionedStorage>[] = [
  ...writeCases,
  ...valueCases,
  ...troubleCases,
  ...historyCases,
  ...capabilityCases,
].sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
