// A zombie is refused. The journal compares terms in the same atomic step in which it writes, so that a deposed leader
// can do no harm, whatever it believes. `npm run demo` uses the same code between three processes.
import { LeaderElector, StaleTermError, StorageLock, type Leadership } from "tenure";
import { MemoryStorage, type VersionedStorage } from "tenure/storage";

export interface Entry {
  readonly term: number;
  readonly by: string;
  readonly atMs: number;
}

/** The document: the highest term that was accepted, and what its leaders and their predecessors wrote. */
interface Journal {
  readonly fence: number;
  readonly entries: readonly Entry[];
}

export async function readJournal(storage: VersionedStorage, key: string): Promise<Journal> {
  const stored = await storage.read(key);
  if (stored === undefined) return { fence: 0, entries: [] };
  return JSON.parse(new TextDecoder().decode(stored.value)) as Journal; // cast: only append() below writes here
}

/** Appends, and raises the fence to the entry's term. A lower term is refused, and so is another holder's equal one. */
export async function append(storage: VersionedStorage, key: string, entry: Entry): Promise<void> {
  for (;;) {
    const stored = await storage.read(key); // its version names exactly the document that is judged below
    const text = stored === undefined ? '{ "fence": 0, "entries": [] }' : new TextDecoder().decode(stored.value);
    const { fence, entries } = JSON.parse(text) as Journal; // cast: as above
    if (entry.term < fence || (entry.term === fence && entries.at(-1)?.by !== entry.by)) {
      throw new StaleTermError(`term ${entry.term} comes after term ${fence}`, { acceptedTerm: fence });
    }
    const value = new TextEncoder().encode(JSON.stringify({ fence: entry.term, entries: [...entries, entry] }));
    const write = stored && storage.replace(key, value, stored.version);
    if ((await (write ?? storage.create(key, value))).written) return; // otherwise somebody was faster: judge again
  }
}

if (process.argv[1]?.endsWith("guarded-state.ts")) {
  await using storage = new MemoryStorage();
  const lead = async (label: string): Promise<Leadership> =>
    new LeaderElector({ lock: new StorageLock({ storage, namespace: "examples", name: "journal", label }) }).acquire();
  const write = ({ term, identity: by }: Leadership): Promise<void> =>
    append(storage, "journal", { term, by, atMs: performance.now() });

  const ada = await lead("ada");
  await ada.guard(() => write(ada));
  console.log(`ada wrote in term ${ada.term}`);
  await ada[Symbol.asyncDispose]();
  await using bob = await lead("bob");
  await bob.guard(() => write(bob));
  console.log(`bob wrote in term ${bob.term}`);
  await ada.guard(() => write(ada)).catch((error: Error) => console.log(`guard:   ${error.message}`));
  await write(ada).catch((error: Error) => console.log(`journal: ${error.message}`)); // past the guard, on purpose
  const { fence, entries } = await readJournal(storage, "journal");
  console.log(`the journal holds ${entries.length} entries, its fence is ${fence}`);
}
