// Goal: the metrics of a controller have the names and labels that dashboards are made of (K-83), are in the document,
// and count what happened. Method: the text of real controllers on a fake cluster is read as Prometheus would.
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import type { StorageFault } from "../../src/testing/storage-faults.ts";
import { Cluster, ref, type Running } from "./cluster.ts";

/** Name, type, and the label with its words; those of alarms appear with the first one. */
const table = [
  ["reconciles_total", "counter", "result", "bug create finalizer free look newTerm nothing renew status takeOver"],
  ["reconcile_seconds", "histogram", "", ""],
  ["global_writes_total", "counter", "outcome", "failed lost refused throttled unknown written"],
  ["global_reads_total", "counter", "outcome", "absent dropped failed record unreadable"],
  ["status_writes_total", "counter", "outcome", "conflict failed written"],
  ["signals_total", "counter", "fate", "answered coalesced invalid written"],
  ["signal_to_status_seconds", "histogram", "", ""],
  ["alarms_total", "counter", "kind", ""],
  ["leases", "gauge", "state", "absent free held unknown unreadable"],
  ["storage_healthy", "gauge", "", ""],
] as const;
const alarmKinds = [...["bug", "clockOffset", "longLease", "otherController", "termRegression", "unreadableRecord"]];

let clock: ManualClock;
let cluster: Cluster;
let data: MemoryData;
let storage: FaultyStorage;
let fault: StorageFault | undefined;
let running: Running;

beforeEach(async () => {
  clock = new ManualClock();
  cluster = new Cluster(clock);
  data = new MemoryData();
  fault = undefined;
  const script = (): StorageFault | undefined => fault;
  storage = new FaultyStorage(new MemoryStorage({ clock, data }), { clock, script });
  running = cluster.start(storage);
  await clock.advance(4_000);
});

/** Of one series; 0 where there is none, as Prometheus counts. */
function value(series: string): number {
  const lines = running.controller.metricsText().split("\n");
  const line = lines.find((one) => one.startsWith(`tenure_controller_${series} `));
  return Number(line?.split(" ").at(-1) ?? 0);
}

async function settle(): Promise<void> {
  await clock.advance(2_000);
}

describe("K-83", () => {
  test("each metric has its name, its type, and words of a closed list as labels, from the start on", () => {
    const lines = running.controller.metricsText().trimEnd().split("\n");
    const types = lines.filter((line) => line.startsWith("# TYPE "));
    expect(types).toEqual(table.map(([name, type]) => `# TYPE tenure_controller_${name} ${type}`));
    expect(lines.filter((line) => line.startsWith("# HELP "))).toHaveLength(table.length);
    for (const [name, type, label, words] of table) {
      if (type === "histogram") {
        expect(lines, name).toContain(`tenure_controller_${name}_count 0`);
        continue;
      }
      const series = lines.filter((line) => line.startsWith(`tenure_controller_${name}{`));
      const found = series.map((line) => /^\w+\{(\w+)="(\w+)"\} \d+$/.exec(line)?.slice(1) ?? [line]);
      expect(
        found
          .map(([, word]) => word)
          .sort()
          .join(" "),
        name,
      ).toBe(words);
      for (const [named] of found) expect(named).toBe(label);
    }
  });

  test("the document lists each of them with its labels, and each alarm", () => {
    const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
    const rows = text.split("\n").filter((line) => line.startsWith("| `tenure_controller_"));
    for (const [name, , label, words] of table) {
      const row = rows.find((line) => line.startsWith(`| \`tenure_controller_${name}\` `)) ?? "";
      expect(row, `docs/operations.md lacks ${name}`).not.toBe("");
      for (const word of [label, ...words.split(" "), ...(name === "alarms_total" ? alarmKinds : [])]) {
        if (word !== "") expect(row, `${name} ${word}`).toContain(`\`${word}\``);
      }
    }
    expect(rows).toHaveLength(table.length);
  });

  test("they count a life of a lease: created, renewed, freed, taken over, and how long an answer took", async () => {
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    expect([value('leases{state="held"}'), value("storage_healthy")]).toEqual([1, 1]);
    await settle();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await settle();
    cluster.release("ada", { leaseTransitions: 1 });
    await settle();
    expect(value('leases{state="free"}')).toBe(1);
    await cluster.confirmed("bob", cluster.signal("bob", { leaseTransitions: 3 }));
    await settle();
    await cluster.confirmed("bob", cluster.signal("bob", { leaseTransitions: 5 }));
    // a write that waits for the finalizer, or for its own answer, is planned again
    for (const result of ["create", "renew", "free", "takeOver", "newTerm", "finalizer", "status", "nothing"]) {
      expect(value(`reconciles_total{result="${result}"}`), result).toBeGreaterThan(0);
    }
    expect(value('global_writes_total{outcome="written"}')).toBe(5);
    expect(value('status_writes_total{outcome="written"}')).toBeGreaterThanOrEqual(5);
    expect(value('signals_total{fate="written"}')).toBeGreaterThanOrEqual(4);
    expect(value("signal_to_status_seconds_count")).toBe(4); // a release is no signal
    expect(value("reconcile_seconds_count")).toBeGreaterThanOrEqual(5);
    expect(value('global_reads_total{outcome="absent"}')).toBeGreaterThan(0);
  });

  test("they count what went wrong: a storage away, throttled, unreadable, a spec out of bounds, a lost answer", async () => {
    await cluster.confirmed("ada", cluster.signal("ada"));
    await settle();
    fault = { kind: "busy" };
    cluster.signal("ada");
    await settle();
    expect(value('global_writes_total{outcome="failed"}')).toBeGreaterThan(0);
    expect(value("storage_healthy")).toBe(0);
    fault = undefined;
    await clock.advance(10_000);
    expect(value("storage_healthy")).toBe(1);
    storage.next({ kind: "throttled", retryAfterMs: 500 }, "replace");
    await cluster.confirmed("ada", cluster.signal("ada"));
    expect(value('global_writes_total{outcome="throttled"}')).toBe(1);
    storage.next({ kind: "answerLost" }, "replace");
    await cluster.confirmed("ada", cluster.signal("ada"));
    expect(value('global_writes_total{outcome="unknown"}')).toBe(1);
    await settle();
    cluster.signal("ada", { leaseDurationSeconds: 0 });
    await settle();
    expect(value('signals_total{fate="invalid"}')).toBe(1);
    const memory = new MemoryStorage({ clock, data });
    const stored = await memory.read("leases/default/billing");
    const broken = new TextEncoder().encode("{");
    await memory.replace("leases/default/billing", broken, stored?.version ?? expect.unreachable("there is none"));
    await clock.advance(5_000);
    expect(value('leases{state="unreadable"}')).toBe(1);
    expect(value('alarms_total{kind="unreadableRecord"}')).toBe(1);
    expect(value('global_reads_total{outcome="unreadable"}')).toBeGreaterThan(0);
  });

  test("they count status writes that conflict or fail, and no lease that is gone", async () => {
    await cluster.confirmed("ada", cluster.signal("ada"));
    expect(value('reconciles_total{result="look"}')).toBe(1); // it asks for no term
    await settle();
    running.client.delay({ requestMs: 50 }, { on: "patch", plural: "multiclusterleases", times: 1 });
    const sent = cluster.signal("ada");
    await clock.advance(20);
    cluster.api.annotate(ref, { edit: "under way" });
    await cluster.confirmed("ada", sent);
    running.client.refuse(500, { on: "patch", plural: "multiclusterleases", times: 2 });
    await cluster.confirmed("ada", cluster.signal("ada"));
    expect(value('status_writes_total{outcome="conflict"}')).toBe(1);
    expect(value('status_writes_total{outcome="failed"}')).toBe(2);
    cluster.api.remove(ref);
    await settle();
    expect(value('leases{state="held"}')).toBe(1); // it waits for its holder
    await clock.advance(20_000);
    expect([cluster.stored, value('leases{state="held"}')]).toEqual([undefined, 0]);
  });
});
