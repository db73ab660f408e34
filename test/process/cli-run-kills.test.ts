// Goal: no two terms work at once, whoever of `tenure run` is killed or frozen, and no process of a lost term is
// left. Method: SIGKILL, SIGSTOP and SIGCONT on real processes; the order of the lines in one journal is the
// independent check.
import { renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { isAlive, nowMs, processes, type Tenure, timing, until, World } from "./cli-world.ts";

const { leaseMs, validityMs } = timing;
/** What the settings leave of the step margin: 550 ms less a quarter. */
const killAfterMs = 412;

/** Notes SIGTERM, ignores it, and works on. */
const stubborn = "trap 'note told' TERM; while :; do note works; sleep 0.02; done";

/** A leader that works, and a standby that waits for its lease. */
async function pair(world: World, script = "work"): Promise<[Tenure, Tenure]> {
  const first = world.run(script);
  await first.leads();
  await world.line(/^1 works/);
  const second = world.run("work");
  await until(
    () => second.stderr.includes("is led by"),
    () => second.stderr,
  );
  return [first, second];
}

/** The processes of a group that still run. */
function alive(group: number): number[] {
  return processes().flatMap(({ pid, group: its, state }) => (its === group && !state.startsWith("Z") ? [pid] : []));
}

async function successorWorks(world: World): Promise<void> {
  await world.line(/^([2-9]|\d\d+) works/);
  await pause(200); // whoever is left of the old term would write now
  expect(world.overlaps()).toEqual([]);
}

describe.concurrent("a supervisor", () => {
  it("that is killed takes the whole group with it at once, and another leads", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, "(trap '' TERM; work) & trap '' TERM; work");
    const group = await first.guardian();
    first.kill("SIGKILL");
    const killedMs = nowMs();
    await until(
      () => alive(group).length === 0,
      () => `left: ${alive(group).join()}`,
    );
    expect(nowMs() - killedMs).toBeLessThan(1000);
    await successorWorks(world);
  });

  it("that is killed by its command, first thing, ends the command", async ({ expect }) => {
    await using world = new World();
    const run = world.run("kill -9 $(ps -o ppid= -p $PPID); work");
    const { signal } = await run.ended;
    expect(signal).toBe("SIGKILL");
    await pause(300);
    const lines = world.lines().length;
    await pause(300);
    expect(world.lines().length, "nobody works on").toBe(lines);
    expect(world.processes().filter(isAlive)).toEqual([]);
  });

  it("that stands for a moment changes nothing", async ({ expect }) => {
    await using world = new World();
    const [first, second] = await pair(world);
    for (let count = 0; count < 3; count++) {
      first.kill("SIGSTOP");
      await pause(700);
      first.kill("SIGCONT");
      await pause(700);
    }
    expect(first.child.exitCode).toBeNull();
    expect(second.stderr).not.toContain("leads");
    expect(new Set(world.lines().map((line) => line.split(" ")[0]))).toEqual(new Set(["1"]));
  });

  it("that stands past the lease has no command when another leads: 124", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, stubborn);
    const group = await first.guardian();
    first.kill("SIGSTOP");
    await world.line(/^1 told/);
    await successorWorks(world);
    expect(alive(group)).toEqual([]);
    first.kill("SIGCONT");
    expect((await first.ended).code, first.stderr).toBe(124);
  });

  it("that stands past the lease campaigns again with --restart, with a larger term", async ({ expect }) => {
    await using world = new World();
    const run = world.run("work", { flags: ["--restart"] });
    await run.leads();
    await world.line(/^1 works/);
    run.kill("SIGSTOP");
    await pause(validityMs + 500);
    run.kill("SIGCONT");
    await successorWorks(world);
    expect(run.stderr).toContain("leadership lost");
    run.kill("SIGTERM");
    expect(await run.code()).toBe(143);
  });
});

describe.concurrent("a guardian", () => {
  it("that is killed takes its group with it: killed, released, 125", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, stubborn);
    const group = await first.guardian();
    process.kill(group, "SIGKILL");
    const { code, atMs } = await first.ended;
    expect(code, first.stderr).toBe(125);
    expect(alive(group)).toEqual([]);
    await successorWorks(world);
    expect(nowMs() - atMs, "it was released").toBeLessThan(1500);
    expect(world.lines()).not.toContain("1 told");
  });

  it("that is killed is replaced with --restart", async ({ expect }) => {
    await using world = new World();
    const run = world.run("work", { flags: ["--restart"] });
    await run.leads();
    await world.line(/^1 works/);
    process.kill(await run.guardian(), "SIGKILL");
    await successorWorks(world);
    run.kill("SIGTERM");
    expect(await run.code()).toBe(143);
  });

  it("that is killed while standing by ends run with 125", async ({ expect }) => {
    await using world = new World();
    const [, second] = await pair(world);
    process.kill(await second.guardian(), "SIGKILL");
    expect((await second.ended).code, second.stderr).toBe(125);
  });

  it("that stands is silent for a validity: killed, released, 125", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, stubborn);
    const group = await first.guardian();
    process.kill(group, "SIGSTOP");
    const { code } = await first.ended;
    expect(code, first.stderr).toBe(125);
    expect(first.stderr).toContain("answered no more");
    expect(alive(group)).toEqual([]);
    await successorWorks(world);
  });

  it("that stands when the validity ends is killed by the supervisor, with the group, in time", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, stubborn);
    const group = await first.guardian();
    cutOff(world);
    process.kill(group, "SIGSTOP");
    const { code } = await first.ended;
    expect(code, first.stderr).toBe(124);
    expect(alive(group)).toEqual([]);
    expect(world.lines(), "the guardian stood: nobody told the command").not.toContain("1 told");
  });

  it("survives what its command sends to the whole group", async ({ expect }) => {
    await using world = new World();
    const signals = "HUP INT QUIT USR1 USR2 ALRM TERM TSTP TTIN TTOU VTALRM IO";
    const run = world.run(
      `for s in ${signals}; do trap "note got $s" $s; done; for s in ${signals}; do kill -$s 0; done; exit 8`,
    );
    expect(await run.code(), run.stderr).toBe(8);
    for (const signal of signals.split(" ")) expect(world.lines().join("\n")).toContain(`got ${signal}`);
  });
});

describe.concurrent("both", () => {
  it("frozen past the lease: the command is gone as soon as the guardian goes on", async ({ expect }) => {
    await using world = new World();
    const run = world.run(stubborn);
    await run.leads();
    await world.line(/^1 works/);
    const group = await run.guardian();
    run.kill("SIGSTOP");
    process.kill(group, "SIGSTOP");
    await pause(leaseMs + 300);
    const wokenMs = nowMs();
    process.kill(group, "SIGCONT");
    await until(
      () => alive(group).length === 0,
      () => `left: ${alive(group).join()}`,
    );
    expect(nowMs() - wokenMs).toBeLessThan(500);
    run.kill("SIGCONT");
    expect((await run.ended).code, run.stderr).toBe(124);
  });

  it("killed at once: the command lives on, which is not promised, and the term is the fence", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world);
    const group = await first.guardian();
    first.kill("SIGSTOP"); // so that neither can act on the other's end
    process.kill(group, "SIGKILL");
    first.kill("SIGKILL");
    await world.line(/^([2-9]|\d\d+) works/);
    expect(alive(group).length, "no promise").toBeGreaterThan(0);
    process.kill(-group, "SIGKILL"); // all that is left, at once: a list of them could be out of date
  });
});

describe.concurrent("a term that is lost", () => {
  it("because the storage is gone: SIGTERM at its end, SIGKILL after --kill-after, 124", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, stubborn);
    cutOff(world);
    const cutMs = nowMs();
    await world.line(/^1 told/);
    const toldMs = nowMs();
    const { code, atMs } = await first.ended;
    expect(code, first.stderr).toBe(124);
    expect(toldMs - cutMs).toBeLessThan(validityMs + 800);
    expect(atMs - toldMs).toBeGreaterThan(killAfterMs - 250);
    expect(atMs - cutMs, "the next one could lead a lease after the last write").toBeLessThan(leaseMs + 800);
  });

  it("while it ends: a third signal exits at once, and the lease is left to run out", async ({ expect }) => {
    await using world = new World();
    const [first] = await pair(world, stubborn);
    cutOff(world); // the release will be tried for a while
    for (const said of ["SIGTERM: stops", "SIGTERM again: kills"]) {
      first.kill("SIGTERM");
      await until(
        () => first.stderr.includes(said),
        () => first.stderr,
      );
    }
    first.kill("SIGTERM");
    expect((await first.ended).code, first.stderr).toBe(137);
  });

  it("because another took it: SIGKILL at once, without SIGTERM", async ({ expect }) => {
    await using world = new World();
    const run = world.run(stubborn);
    await run.leads();
    await world.line(/^1 works/);
    const observed = await world.lock().get();
    if (observed === undefined) throw new Error("no record");
    const record = { ...observed.record, holderIdentity: "thief", leaderTransitions: 9 };
    // its own renewal may come in between
    while (!(await world.lock().update(record, (await world.lock().get())?.version ?? observed.version)).written);
    const takenMs = nowMs();
    const { code, atMs } = await run.ended;
    expect(code, run.stderr).toBe(124);
    expect(atMs - takenMs).toBeLessThan(1200);
    expect(world.lines()).not.toContain("1 told");
    expect((await world.lock().get())?.record.holderIdentity, "nothing is written any more").toBe("thief");
  });

  it("and comes back with --restart is a larger one, with a new guardian", async ({ expect }) => {
    await using world = new World();
    const run = world.run(stubborn, { flags: ["--restart"] });
    await run.leads();
    await world.line(/^1 works/);
    const group = await run.guardian();
    const restore = cutOff(world);
    await world.line(/^1 told/);
    await until(
      () => alive(group).length === 0,
      () => "the old group lives",
    );
    restore();
    await successorWorks(world);
    expect(await run.guardian()).not.toBe(group);
  });
});

describe.concurrent("commands of their own kind", () => {
  it("one that closes all its descriptors is watched like any other", async ({ expect }) => {
    await using world = new World();
    const run = world.run("exec 0<&- 1>&- 2>&-; note closed; work");
    await world.line(/^1 closed/);
    await pause(validityMs + 500); // it is still renewed for
    expect(run.child.exitCode).toBeNull();
    run.kill("SIGTERM");
    expect(await run.code()).toBe(143);
  });

  it("a nested run dies with the outer one, and has an identity of its own", async ({ expect }) => {
    await using world = new World();
    const inner = [...world.program, "run", "inner"].map((part) => `'${part}'`).join(" ");
    const run = world.run(
      `note "outer $TENURE_NAME $TENURE_IDENTITY"
      export TERM_OUT=$TENURE_TERM
      ${inner} -- sh -c 'echo "1 inner $TENURE_NAME $TENURE_IDENTITY $$" >> "$J"
        while :; do echo "1 works" >> "$J"; sleep 0.02; done'`,
      { name: "outer" },
    );
    await world.line(/^1 inner/);
    const [outer = "", nested = ""] = world.lines();
    expect(nested).toContain(" inner ");
    expect(nested.split(" ")[3]).not.toBe(outer.split(" ")[3]);
    const pid = Number(nested.split(" ")[4]);
    run.kill("SIGKILL");
    const killedMs = nowMs();
    await until(
      () => !isAlive(pid),
      () => "the inner command lives",
    );
    expect(nowMs() - killedMs).toBeLessThan(1000);
    await until(
      () => world.processes().filter(isAlive).length === 0,
      () => `left: ${world.processes().join()}`,
    );
  });
});

/** Makes every call of the storage fail; the returned function ends that. */
function cutOff(world: World): () => void {
  renameSync(world.storage, `${world.storage}.away`);
  writeFileSync(world.storage, "a file where a folder should be");
  return () => {
    renameSync(world.storage, `${world.storage}.file`);
    renameSync(`${world.storage}.away`, world.storage);
  };
}
