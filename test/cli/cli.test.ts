// Goal: every command says what it does, refuses what is wrong with what to write instead, and tells the truth about
// leases that need no waiting. Method: calls in this process on file storage in a fresh folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { killAfterLimitMs, stepMarginMs } from "../../src/cli/run-settings.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { FileStorage } from "../../src/storage/file.ts";
import { call } from "./call.ts";

let folder = "";
let url = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tenure-cli-"));
  url = `file:${folder}/leases?fsync=off&probe=never`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const storage = (): FileStorage => new FileStorage({ directory: join(folder, "leases"), fsync: false });
const lock = (name: string): StorageLock => new StorageLock({ storage: storage(), namespace: "default", name });

async function hold(name: string, holderIdentity: string, leaderTransitions = 7): Promise<void> {
  const renewTime = "2026-01-01T00:00:00.000000Z";
  const record = { holderIdentity, renewTime, acquireTime: renewTime, leaderTransitions, leaseDurationSeconds: 3 };
  expect((await lock(name).create(record)).written).toBe(true);
}

describe("the program", () => {
  it("prints its help and version on stdout, and its help on stderr when it is called with nothing", async () => {
    const help = await call(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout.split("\n")[0]).toBe("Example:");
    expect(await call(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(await call([])).toMatchObject({ code: 2, stdout: "", stderr: help.stdout });
  });

  it.each(["run", "status", "watch", "release", "doctor"])("%s --help starts with an example", async (name) => {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout } = await call([name, flag]);
      expect(code).toBe(0);
      expect(stdout.split("\n").slice(0, 2)).toEqual(["Example:", expect.stringContaining(`tenure ${name} `)]);
      expect(stdout).toContain("Usage: tenure ");
      for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(132);
    }
  });

  it.each([
    [["stauts"], 'unknown command "stauts". Did you mean "status"?'],
    [["transfer", "job"], 'unknown command "transfer".'],
    [["sidecar"], 'unknown command "sidecar".'],
    [["--hlep"], "unknown flag --hlep."],
    [["status", "job", "--stroage", "x"], 'Did you mean "--storage"?'],
    [["status"], "which lease?"],
    [["status", "job", "--all"], "exclude each other"],
    [["status", "job", "--timeout", "3s"], "--timeout goes with --wait-for"],
    [["status", "job", "--wait-for", "laeder"], 'Did you mean "leader"?'],
    [["watch"], "which lease?"],
    [["release"], "one lease"],
    [["release", "job"], "say how"],
    [["release", "job", "--force"], "--term N"],
    [["release", "job", "--force", "--control", "x"], "exclude each other"],
    [["release", "job", "--force", "--term", "x"], "whole number"],
    [["doctor", "file:a", "file:b"], "one URL only"],
    [["status", "job", "--log", "loud"], "none of debug"],
  ])("refuses %j as a usage error", async (args, message) => {
    const { code, stdout, stderr } = await call(args, { TENURE_STORAGE_URL: url });
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it.each([
    ["status", "job"],
    ["watch", "job"],
    ["release", "job", "--force", "--term", "1", "--yes"],
  ])("refuses memory: for %s, since it is private to a process", async (...args) => {
    const { code, stderr } = await call(args, { TENURE_STORAGE_URL: "memory:" });
    expect(code).toBe(2);
    expect(stderr).toContain("memory: is private to one process");
  });

  it("asks for a storage where there is none, and for another where the scheme or a parameter is unknown", async () => {
    expect((await call(["status", "job"])).stderr).toContain("TENURE_STORAGE_URL");
    const unknown = await call(["status", "job", "-s", "gopher://me:hunter2@h/0"]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("file:");
    expect(unknown.stderr).not.toContain("hunter2");
    const parameter = await call(["status", "job", "-s", "file:/tmp/x?kepp=3"]);
    expect(parameter.code).toBe(2);
    expect(parameter.stderr).toContain("kepp");
  });
});

describe("status", () => {
  it("says absent and free with 3, in rows and as JSON", async () => {
    await hold("free", "");
    const { code, stdout } = await call(["status", "free", "nothing", "-s", url]);
    expect(code).toBe(3);
    expect(stdout).toMatch(
      /^NAME +STATE +HOLDER +TERM +LAST CHANGE\nfree +✗ free +- +8 +unknown\nnothing +✗ absent +- +- +-\n$/,
    );
    const json = await call(["status", "free", "--json", "-s", url]);
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({
      schema: 1,
      leases: [{ name: "free", state: "free", holder: null }],
    });
  });

  it("with --now reads once and says held, without knowing whether the holder is alive", async () => {
    await hold("job", "ada_1");
    const { code, stdout } = await call(["status", "job", "--now", "--json", "-s", url]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).leases[0]).toMatchObject({ state: "held", holder: "ada_1", term: 7, ageIsLeast: true });
  });

  it("--all lists the namespace, and nothing of another one, with 0", async () => {
    await hold("b", "");
    await hold("a", "");
    const other = new StorageLock({ storage: storage(), namespace: "other", name: "c" });
    await other.create({ holderIdentity: "", renewTime: "", acquireTime: "", leaderTransitions: 1 });
    const { code, stdout } = await call(["status", "--all", "--json", "-s", url]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).leases.map(({ name }: { name: string }) => name)).toEqual(["a", "b"]);
    const there = await call(["status", "--all", "--json", "-n", "other", "-s", url]);
    expect(JSON.parse(there.stdout).leases).toHaveLength(1);
    const empty = await call(["status", "--all", "--json", "-n", "nowhere", "-s", url]);
    expect({ code: empty.code, leases: JSON.parse(empty.stdout).leases }).toEqual({ code: 0, leases: [] });
  });

  it("says that a record is unreadable, with its version, and fails", async () => {
    await storage().create("leases/default/job", new TextEncoder().encode("[]"));
    const { code, stdout } = await call(["status", "job", "--json", "-s", url]);
    expect(code).toBe(1);
    const [lease] = JSON.parse(stdout).leases;
    expect(lease).toMatchObject({ state: "unreadable", holder: null });
    expect(lease.version).toBe((await storage().read("leases/default/job"))?.version);
  });

  it("writes nothing: a storage that is not there stays so", async () => {
    await call(["status", "job", "-s", url]);
    const { existsSync } = await import("node:fs");
    expect(existsSync(join(folder, "leases"))).toBe(false);
  });

  it("keeps hostile text of a record on its line", async () => {
    await hold("job", "ada\u001b[2J\nbob");
    const { stdout } = await call(["status", "job", "--now", "-s", url]);
    expect(stdout).not.toContain("\u001b");
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  it("--wait-for free is true at once for what nobody leads, and with --timeout says no with 3", async () => {
    await hold("free", "");
    expect((await call(["status", "free", "--wait-for", "free", "-s", url])).code).toBe(0);
    const { code, stderr } = await call(["status", "free", "--wait-for", "leader", "--timeout", "10ms", "-s", url]);
    expect(code).toBe(3);
    expect(stderr).toContain("not so after 10ms");
  });
});

describe("release --force", () => {
  const force = (args: readonly string[]): ReturnType<typeof call> => call(["release", ...args, "--force", "-s", url]);

  it("needs --yes without a terminal, and says what would happen", async () => {
    await hold("job", "ada_1");
    const { code, stderr } = await force(["job", "--term", "7"]);
    expect(code).toBe(4);
    expect(stderr).toContain("term 7 of ada_1");
    expect(stderr).toContain("--yes");
    expect((await lock("job").get())?.record.holderIdentity).toBe("ada_1");
  });

  it("refuses with 4 when term or version moved on, and with 3 when there is nothing to free", async () => {
    await hold("job", "ada_1");
    await hold("free", "");
    expect((await force(["job", "--term", "6", "--yes"])).code).toBe(4);
    expect((await force(["job", "--version", "x", "--yes"])).code).toBe(4);
    expect((await force(["free", "--term", "7", "--yes"])).code).toBe(3);
    const { code, stdout } = await force(["nothing", "--term", "7", "--yes", "--json"]);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, released: false, reason: "there is no such lease" });
  });

  it("asks for version and term of an unreadable record", async () => {
    await storage().create("leases/default/job", new TextEncoder().encode("[]"));
    const version = (await storage().read("leases/default/job"))?.version ?? "";
    const bare = await force(["job", "--term", "7", "--yes"]);
    expect(bare.code).toBe(4);
    expect(bare.stderr).toContain(`--version ${version}`);
    const noTerm = await force(["job", "--version", version, "--yes"]);
    expect(noTerm.code).toBe(4);
    expect(noTerm.stderr).toContain("--term N");
  });

  it("says when nobody listens at a control socket", async () => {
    const { code, stderr } = await call(["release", "job", "--control", join(folder, "nothing.sock")]);
    expect(code).toBe(3);
    expect(stderr).toContain("no tenure run listens");
  });
});

describe("the margin of run", () => {
  it.each([
    [15_000, 10_000, 2750, 2500],
    [3000, 2000, 550, 412.5],
    [6000, 4000, 1100, 850],
    [12_000, 10_000, 0, 0],
  ])("at %d / %d is %d ms, of which %d are for --kill-after", (leaseDurationMs, renewDeadlineMs, margin, limit) => {
    const timing = { leaseDurationMs, renewDeadlineMs, retryPeriodMs: 500 };
    expect(stepMarginMs(timing)).toBeCloseTo(margin, 3);
    expect(killAfterLimitMs(timing)).toBeCloseTo(limit, 3);
  });
});
