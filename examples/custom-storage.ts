// A storage of one's own: four calls over a technology that compares and swaps, here one SQL table. The published suite
// says whether they are right; it hands its cases to any test runner.
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { AlreadyExistsError, ConditionalUpdateFailedError, NotFoundError } from "tenure";
import { decodeLease, encodeLease, type LeaseData, type LeaseObject, type LeaseStorage } from "tenure/storage";
import { leaseStorageSuite, runSuite } from "tenure/testing";

export class SqliteLeaseStorage implements LeaseStorage {
  readonly description = "sqlite";
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec("CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, body BLOB, generation TEXT)");
  }

  async readLease(key: string): Promise<LeaseObject> {
    const row = this.#database.prepare("SELECT body, generation FROM leases WHERE key = ?").get(key);
    if (row === undefined) throw new NotFoundError(`there is no lease ${key}`);
    const generation = String(row["generation"]);
    return { ...decodeLease(row["body"] as Uint8Array, { key, version: generation }), generation }; // cast: a BLOB
  }

  async createLease(key: string, data: LeaseData): Promise<LeaseObject> {
    const generation = crypto.randomUUID(); // never repeats, also not after a delete
    if (this.#run("INSERT OR IGNORE INTO leases VALUES (?, ?, ?)", key, encodeLease(data), generation)) {
      return { data, generation };
    }
    throw new AlreadyExistsError(`there is a lease ${key}`);
  }

  async writeLease(key: string, data: LeaseData, expected: string): Promise<LeaseObject> {
    const [sql, generation] = [
      "UPDATE leases SET body = ?, generation = ? WHERE key = ? AND generation = ?",
      crypto.randomUUID(),
    ];
    if (this.#run(sql, encodeLease(data), generation, key, expected)) return { data, generation };
    throw new ConditionalUpdateFailedError(`${key} has changed`); // compared and swapped by the database, in one step
  }

  async deleteLease(key: string): Promise<void> {
    if (!this.#run("DELETE FROM leases WHERE key = ?", key)) throw new NotFoundError(`there is no lease ${key}`);
  }

  /** Whether a row was changed. */
  #run(sql: string, ...values: (string | Uint8Array)[]): boolean {
    return this.#database.prepare(sql).run(...values).changes === 1;
  }
}

runSuite(test, leaseStorageSuite, {
  place: () => new DatabaseSync(":memory:"),
  connect: (database) => new SqliteLeaseStorage(database),
  put: (database, key, body) => {
    database.prepare("INSERT INTO leases VALUES (?, ?, ?)").run(key, body, crypto.randomUUID());
  },
  remove: (database) => database.close(),
});
