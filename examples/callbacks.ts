// Two replicas of one program, with callbacks as in client-go: `run` campaigns until it is stopped.
import { LeaderElector, StorageLock, type Leadership } from "tenure";
import { MemoryStorage } from "tenure/storage";

const storage = new MemoryStorage(); // in a real program: openStorage("file:///srv/state")

/** Sends an invoice every 100 ms until told to stop; each step is checked before and after. */
async function sendInvoices(leadership: Leadership, label: string): Promise<void> {
  for (let number = 1; !leadership.signal.aborted; number += 1) {
    await leadership.guard(async (term) => console.log(`${label} sends invoice ${number} in term ${term}`));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function replica(label: string): LeaderElector {
  return new LeaderElector({
    lock: new StorageLock({ storage, namespace: "billing", name: "invoices", label }),
    leaseDurationMs: 1_500, // the default is 15 s: fewer writes, and a longer pause after a crash
    renewDeadlineMs: 1_000,
    retryPeriodMs: 200,
    callbacks: {
      onStartedLeading: (leadership) => sendInvoices(leadership, label),
      onStoppedLeading: (reason) => console.log(`${label} stopped leading (${reason})`),
      onNewLeader: (identity) => console.log(`${label} sees that ${identity.split("_")[0]} leads`),
    },
    onError: (error, where) => console.error(`${label}: trouble in ${where}:`, error),
  });
}

const [ada, bob] = [replica("ada"), replica("bob")];
const elected = new Promise<void>((resolve) => ada.once("elected", () => resolve()));
const adaRuns = ada.run();
await elected;
const bobRuns = bob.run(); // stands by
await new Promise((resolve) => setTimeout(resolve, 250));
await ada.stop(); // the work ends, then the lease is released, then bob leads
await new Promise((resolve) => setTimeout(resolve, 250));
await bob.stop();
await Promise.all([adaRuns, bobRuns]);
