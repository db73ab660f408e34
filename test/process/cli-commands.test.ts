// Goal: status, watch and release tell the truth about leaders that live and die, and end as a shell expects. Method:
// real processes on file storage, beside a real `tenure run` or a record that nobody renews.
import { spawnSync } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { describe, it } from "vitest";
import { FileStorage } from "../../src/storage/file.ts";
import { hasPython, inTerminal, nowMs, until, World } from "./cli-world.ts";

/** A record that nobody renews, with a duration of a second. */
async function dead(world: World, holderIdentity = "ada_1"): Promise<void> {
  const time = "2026-01-01T00:00:00.000000Z";
  const record = { holderIdentity, renewTime: time, acquireTime: time, leaderTransitions: 7, leaseDurationSeconds: 1 };
  await world.lock().create(record);
}

describe.concurrent("status", () => {
  it("says live with 0 as soon as a renewal was seen, and expired with 3 after the lease duration", async ({
    expect,
  }) => {
    await using world = new World();
    const run = world.run("work", { name: "live" });
    await run.leads();
    await dead(world);
    const live = world.tenure(["status", "live", "--json"]);
    expect(await live.code(), live.stderr).toBe(0);
    expect(JSON.parse(live.stdout).leases[0]).toMatchObject({ state: "live", term: 1, ageIsLeast: false });
    const startedMs = nowMs();
    const expired = world.tenure(["status", "job", "--json"]);
    expect(await expired.code(), expired.stderr).toBe(3);
    expect(nowMs() - startedMs).toBeGreaterThan(1000);
    const [lease] = JSON.parse(expired.stdout).leases;
    expect(lease).toMatchObject({ state: "expired", holder: "ada_1", term: 7, ageIsLeast: true });
    expect(lease.ageMs).toBeGreaterThanOrEqual(1000);
    const both = world.tenure(["status", "--all"]);
    expect(await both.code()).toBe(0);
    expect(both.stdout).toMatch(/job +✗ expired +ada_1 +7 +more than .*\nlive +● live/);
  });

  it("--wait-for leader ends when one leads, --wait-for free when it is gone", async ({ expect }) => {
    await using world = new World();
    const leader = world.tenure(["status", "job", "--wait-for", "leader", "--timeout", "20s"]);
    const run = world.run("work");
    expect(await leader.code(), leader.stderr).toBe(0);
    const free = world.tenure(["status", "job", "--wait-for", "free", "--timeout", "20s"]);
    await pause(300);
    expect(free.child.exitCode).toBeNull();
    run.kill("SIGTERM");
    expect(await free.code(), free.stderr).toBe(0);
  });
});

describe.concurrent("watch", () => {
  it("prints one line per change of holder or state, as text or as JSON lines", async ({ expect }) => {
    await using world = new World();
    const [text, json] = [world.tenure(["watch", "job"]), world.tenure(["watch", "job", "--json"])];
    await until(
      () => text.stdout.includes("absent") && json.stdout.includes("absent"),
      () => text.stderr,
    );
    const run = world.run("work");
    await run.leads();
    await until(
      () => text.stdout.includes("live"),
      () => text.stdout,
    );
    await pause(1500); // renewals are no news
    run.kill("SIGTERM");
    await until(
      () => text.stdout.includes("free") && json.stdout.includes("free"),
      () => text.stdout,
    );
    text.kill("SIGINT");
    json.kill("SIGTERM");
    expect([await text.code(), await json.code()]).toEqual([130, 143]);
    const lines = text.stdout.trimEnd().split("\n");
    expect(lines.map((line) => line.split(/ +/)[3])).toEqual(["absent", "live", "free"]);
    expect(lines[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  job  ● live  \S+_[0-9a-f-]{36}  term 1$/);
    const documents = json.stdout
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(documents).toMatchObject([
      { schema: 1, name: "job", state: "absent" },
      { schema: 1, name: "job", state: "live", term: 1 },
      { schema: 1, name: "job", state: "free", holder: null },
    ]);
  });

  it("ends quietly with 0 when its reader has seen enough", async ({ expect }) => {
    await using world = new World();
    const watch = world.tenure(["watch", "job"]);
    await until(
      () => watch.stdout !== "",
      () => watch.stderr,
    );
    watch.child.stdout?.destroy();
    const run = world.run("work");
    expect(await watch.code()).toBe(0);
    expect(watch.stderr).toBe("");
    run.kill("SIGTERM");
    await run.ended;
    const piped = spawnSync("sh", ["-c", `'${world.program.join("' '")}' --help | head -n 1`], { encoding: "utf8" });
    expect(piped).toMatchObject({ status: 0, stdout: "Example:\n", stderr: "" });
  });
});

describe.concurrent("release --force", () => {
  it("frees the lease of a dead holder: conditionally, with a larger number for the next term", async ({ expect }) => {
    await using world = new World();
    await dead(world);
    const release = world.tenure(["release", "job", "--force", "--term", "7", "--yes", "--json"]);
    expect(await release.code(), release.stderr).toBe(0);
    expect(JSON.parse(release.stdout)).toMatchObject({ schema: 1, released: true, reason: null, lease: { term: 7 } });
    expect((await world.lock().get())?.record).toMatchObject({ holderIdentity: "", leaderTransitions: 8 });
    const run = world.run("exit 3", { flags: ["--no-wait"] });
    expect(await run.code()).toBe(3);
  });

  it("refuses with 4 while the holder lives, and writes nothing", async ({ expect }) => {
    await using world = new World();
    const run = world.run("work");
    await run.leads();
    const release = world.tenure(["release", "job", "--force", "--term", "1", "--yes"]);
    expect(await release.code()).toBe(4);
    expect(release.stderr).toContain("it changed while it was looked at");
    expect(run.child.exitCode).toBeNull();
    expect((await world.lock().get())?.record.leaderTransitions).toBe(1);
  });

  it("frees an unreadable record by its version, with the term that is said", async ({ expect }) => {
    await using world = new World();
    const storage = new FileStorage({ directory: world.storage });
    await storage.create("leases/default/job", new TextEncoder().encode('{"holderIdentity":7}'));
    const version = (await storage.read("leases/default/job"))?.version ?? "";
    const args = ["release", "job", "--force", "--yes", "--version", version, "--term", "41", "--lease-duration", "1s"];
    const release = world.tenure(args);
    expect(await release.code(), release.stderr).toBe(0);
    expect((await world.lock().get())?.record).toMatchObject({ holderIdentity: "", leaderTransitions: 42 });
    const again = world.tenure(args);
    expect(await again.code()).toBe(3);
  });

  it.skipIf(!hasPython)("asks on a terminal, and takes only a yes", async ({ expect }) => {
    await using world = new World();
    await dead(world);
    for (const [answer, code] of [["n\n", 4] as const, ["\n", 4] as const, ["y\n", 0] as const]) {
      const release = inTerminal(world, [...world.program, "release", "job", "--force", "--term", "7"]);
      await until(
        () => release.stdout.includes("[y/N]"),
        () => release.stdout,
      );
      release.child.stdin?.write(answer);
      expect(await release.code(), release.stdout).toBe(code);
    }
  });
});
