// Goal: the doctor finds what would break an election, and says for each finding what to do. Method: calls in this
// process on real storages, and the judging parts on made-up measurements.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { checkNode, checkSettings } from "../../src/cli/machine-checks.ts";
import { judgeRoundTrips } from "../../src/cli/round-trips.ts";
import { judgeProbe } from "../../src/cli/storage-checks.ts";
import { AccessDeniedError, InvalidSettingsError } from "../../src/errors.ts";
import { FileStorage } from "../../src/storage/file.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { registerStorage } from "../../src/storage/registry.ts";
import { BrokenStorage } from "../../src/testing/broken-storage.ts";
import { call } from "./call.ts";

class FailingStorage extends MemoryStorage {
  readonly #error: Error;

  constructor(error: Error) {
    super();
    this.#error = error;
  }

  protected override readOnce(): Promise<never> {
    return Promise.reject(this.#error);
  }

  protected override healthOnce(): Promise<never> {
    return Promise.reject(this.#error);
  }
}

describe.concurrent("doctor", () => {
  it("checks the machine alone where no storage is named", async ({ expect }) => {
    const { code, stdout } = await call(["doctor", "--json"]);
    expect(code).toBe(0);
    const { findings, healthy } = JSON.parse(stdout);
    expect(healthy).toBe(true);
    const checks = findings.map(({ check }: { check: string }) => check);
    expect(checks).toEqual(
      expect.arrayContaining(["node", "package", "settings", "rate tolerance", "clock jumps", "loop delay", "storage"]),
    );
  });

  it("probes a storage, finds its rights and round trips, and leaves nothing behind", async ({ expect }) => {
    const folder = mkdtempSync(join(tmpdir(), "tenure-doctor-"));
    chmodSync(folder, 0o777);
    const { code, stdout } = await call(["doctor", `file:${folder}?fsync=off`, "--json"]);
    expect(code).toBe(0);
    const findings: { check: string; level: string; repair: string | null }[] = JSON.parse(stdout).findings;
    const level = (check: string): string | undefined => findings.find((finding) => finding.check === check)?.level;
    expect(level("probe")).toBe("ok");
    expect(level("round trips")).toBe("ok");
    expect(level("rights")).toBe("warning");
    for (const finding of findings)
      if (["warning", "failure"].includes(finding.level)) expect(finding.repair).toBeTruthy();
    const left: string[] = [];
    for await (const { key } of new FileStorage({ directory: folder }).list("")) left.push(key);
    expect(left).toEqual([]);
    rmSync(folder, { recursive: true });
  }, 30_000);

  it("probes memory:, where that makes sense", async ({ expect }) => {
    const { code, stdout } = await call(["doctor", "memory:"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ok +probe +enforces its conditions/);
  });

  it("fails for settings that are unsafe, an old Node, and a storage that cannot be opened", async ({ expect }) => {
    const { code, stdout } = await call(["doctor", "--lease-duration", "11s"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/failure +settings .*12000/);
    expect(stdout).toContain("repair: ");
    expect(checkNode("20.19.0")).toMatchObject({ level: "failure", repair: expect.stringContaining("22.12") });
    expect(checkNode("22.12.0").level).toBe("ok");
    expect((await call(["doctor", "nope://x"])).code).toBe(1);
    expect(
      checkSettings({ leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 }, 5000)[0]?.level,
    ).toBe("failure");
  });

  it("refuses a storage that ignores conditions, and so does run, which starts nothing there", async ({ expect }) => {
    const data = new MemoryData();
    registerStorage("careless", async () => ({
      open: async () => new BrokenStorage(new MemoryStorage({ data }), "ignores conditions"),
    }));
    const { code, stdout } = await call(["doctor", "careless:"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/failure +probe +P\d+ .*\n +repair: choose another storage: on this one two may lead/);
    const run = await call(["run", "--storage", "careless:", "job", "--", "true"]);
    expect(run.code).toBe(125);
    expect(run.stderr).toContain("is unsafe: P");
  });

  it("tells the repair of what keeps a storage from answering", async ({ expect }) => {
    const failing = (scheme: string, error: Error): void =>
      registerStorage(scheme, async () => ({ open: async () => new FailingStorage(error) }));
    failing("closed-shop", new AccessDeniedError("no right to read", { operation: "read", storage: "a double" }));
    failing("nowhere", new InvalidSettingsError(["there is no bucket of that name"]));
    const denied = await call(["doctor", "closed-shop:"]);
    expect([denied.code, denied.stdout]).toEqual([5, expect.stringMatching(/no right.*\n +repair: grant the right/)]);
    const missing = await call(["doctor", "nowhere:"]);
    expect([missing.code, missing.stdout]).toEqual([
      1,
      expect.stringMatching(/no bucket.*\n +repair: correct the URL/),
    ]);
  });

  it("judges round trips against the settings", ({ expect }) => {
    const timing = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 500 };
    const level = (most: number): string => judgeRoundTrips({ p50: 1, most }, timing).level;
    expect([level(5), level(600), level(1100)]).toEqual(["ok", "warning", "failure"]);
  });

  it("names each step of the probe that did not pass, with its repair", ({ expect }) => {
    const step = { id: "P5", name: "a stale replace is refused" };
    const report = { requests: 3, elapsedMs: 1 };
    const unsafe = judgeProbe({
      ...report,
      verdict: "unsafe",
      steps: [{ ...step, verdict: "unsafe", detail: "written" }],
    });
    expect(unsafe.at(-1)).toMatchObject({ level: "failure", found: "P5 a stale replace is refused: written" });
    const unproven = judgeProbe({
      ...report,
      verdict: "unproven",
      steps: [{ ...step, verdict: "unproven", detail: "?" }],
    });
    expect(unproven.at(-1)).toMatchObject({ level: "warning", repair: expect.stringContaining("grant") });
  });
});
