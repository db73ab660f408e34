import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { StorageLock } from "tenure";
import { openStorage, type StorageConnection } from "tenure/storage";
import { readJournal, type Entry } from "../../examples/guarded-state.ts";
import { nowMs, timing, type Place } from "./messages.ts";

/** What the play reads by itself, without believing any of the three: the lease, and the journal. */
export class Stage {
  readonly url: string;
  readonly place: Place;
  /** The temporary folder, where there is one. */
  readonly folder: string | undefined;
  readonly #storage: StorageConnection;
  readonly #lock: StorageLock;

  private constructor(url: string, folder: string | undefined, storage: StorageConnection) {
    const namespace = `demo-${randomBytes(4).toString("hex")}`;
    this.url = url;
    this.folder = folder;
    this.place = { namespace, name: "main-job", journal: `journals/${namespace}/main-job` };
    this.#storage = storage;
    this.#lock = new StorageLock({ storage, namespace, name: this.place.name, label: "audience" });
  }

  /** Opens the storage, and has it prove that it enforces conditions. Without a URL: a fresh temporary folder. */
  static async open(url?: string): Promise<Stage> {
    if (url !== undefined) return new Stage(url, undefined, await openStorage(url));
    const folder = mkdtempSync(join(tmpdir(), "tenure-demo-"));
    const fresh = pathToFileURL(folder).href;
    return new Stage(fresh, folder, await openStorage(fresh));
  }

  /** What people are told about the place: holds no secret. */
  get description(): string {
    return this.#storage.description;
  }

  /**
   * When the lease runs out if nobody renews it any more, by the shared clock; and whom it names, `""` if it is free.
   */
  async lease(): Promise<{ readonly holder: string; readonly expiresAtMs: number }> {
    const observed = await this.#lock.get();
    if (observed === undefined) return { holder: "", expiresAtMs: nowMs() };
    const { holderIdentity, renewTime } = observed.record;
    const sinceRenewalMs = Date.now() - Date.parse(renewTime);
    return { holder: holderIdentity, expiresAtMs: nowMs() - sinceRenewalMs + timing.leaseDurationMs };
  }

  async entries(): Promise<readonly Entry[]> {
    return (await readJournal(this.#storage, this.place.journal)).entries;
  }

  /** Ends the play in this place; resolves with whether nothing of it is left. */
  async strike(keep: boolean): Promise<boolean> {
    if (!keep && this.folder === undefined) await this.#removeKeys();
    await this.#storage.close();
    if (!keep) this.removeFolder();
    return !keep;
  }

  /** Also for the way out after Ctrl-C, where nothing can be awaited. */
  removeFolder(): void {
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  async #removeKeys(): Promise<void> {
    const { namespace, name, journal } = this.place;
    await this.#storage.deleteLease(`leases/${namespace}/${name}`);
    const stored = await this.#storage.read(journal);
    if (stored !== undefined) await this.#storage.remove(journal, stored.version);
  }
}
