// Goal: terminals, paused readers and PID 1 cost no term and no command. Method: real processes on a pseudo-terminal
// made by python3, on pipes that nobody reads, and in a process namespace of their own.
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, it } from "vitest";
import { isGroupGone, signalGroup } from "../../src/cli/process-group.ts";
import { hasPython, inTerminal, isAlive, processes, timing, until, World } from "./cli-world.ts";

const linux = process.platform === "linux";
const namespaces = linux && spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0;
if (!namespaces) console.error("not run: cases as PID 1 (they need unshare, and the right to)");
const setsid = spawnSync("setsid", ["--version"]).status === 0;
if (!setsid) console.error("not run: cases with zombies (they need setsid)");

/** `tenure run` of a script, on a terminal of its own. */
function runOnTerminal(world: World, script: string): ReturnType<typeof inTerminal> {
  const functions = 'note() { echo "$TENURE_TERM $*" >> "$J"; }; work() { while :; do note works; sleep 0.02; done; }';
  return inTerminal(world, [...world.program, "run", "job", "--", "sh", "-c", `${functions}; ${script}`]);
}

describe.concurrent("on a terminal", () => {
  it.skipIf(!hasPython)("Ctrl-C reaches tenure alone, and the command gets SIGTERM", async ({ expect }) => {
    await using world = new World();
    const run = runOnTerminal(world, "trap 'note int' INT; trap 'note term; exit 4' TERM; work");
    await world.line(/^1 works/);
    run.child.stdin?.write("\u0003");
    expect(await run.code(), run.stdout).toBe(4);
    expect(world.lines()).toContain("1 term");
    expect(world.lines()).not.toContain("1 int");
  });

  it.skipIf(!hasPython)("Ctrl-Z stops neither tenure nor the command: the term is kept", async ({ expect }) => {
    await using world = new World();
    const run = runOnTerminal(world, "trap 'exit 5' TERM; work");
    await world.line(/^1 works/);
    run.child.stdin?.write("\u001a");
    await pause(timing.leaseMs);
    const before = world.lines().length;
    await pause(300);
    expect(world.lines().length).toBeGreaterThan(before);
    expect(new Set(world.lines())).toEqual(new Set(["1 works"]));
    run.child.stdin?.write("\u0003");
    expect(await run.code(), run.stdout).toBe(5);
  });

  it.skipIf(!hasPython)(
    "the command reads and writes the terminal, which is not its controlling one",
    async ({ expect }) => {
      await using world = new World();
      const script = `test -t 0 && test -t 1 && note terminal; (: < /dev/tty) 2> "$J.err" || note no control
      read line; note "read $line"; echo "said to $line"`;
      const run = runOnTerminal(world, script);
      await world.line(/no control/);
      run.child.stdin?.write("ada\n");
      expect(await run.code(), run.stdout).toBe(0);
      expect(world.lines()).toEqual(["1 terminal", "1 no control", "1 read ada"]);
      expect(run.stdout).toContain("said to ada");
    },
  );

  it.skipIf(!hasPython)(
    "in the background the command has an empty stdin, and leaves the shell its input",
    async ({ expect }) => {
      await using world = new World();
      const inner = `test -t 0 || echo "1 empty $(wc -c)" >> "$J"`;
      const job = `${world.program.join(" ")} run job -- sh -c '${inner}'`;
      const shell = `set -m; ${job} & wait; read line; echo "1 shell $line" >> "$J"`;
      const run = inTerminal(world, ["sh", "-c", shell]);
      run.child.stdin?.write("mine\n");
      await run.ended;
      expect(world.lines(), run.stdout).toEqual(["1 empty 0", "1 shell mine"]);
    },
  );
});

describe.concurrent("a stderr", () => {
  it("whose reader is paused costs no term, and does not hold the exit", async ({ expect }) => {
    await using world = new World();
    const fifo = join(world.folder, "fifo");
    expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
    const unread = openSync(fifo, "r+");
    writeSync(unread, Buffer.alloc(65_536)); // full from the start
    // the shell itself would wait for the reader, to say that its sleep was terminated
    const first = world.run("exec 2> /dev/null; trap 'exit 6' TERM; work", {
      stderr: unread,
      flags: ["--log", "debug"],
    });
    await world.line(/^1 works/);
    const second = world.run("work");
    await pause(timing.leaseMs + timing.validityMs);
    expect(second.stderr).not.toContain("leads");
    first.kill("SIGTERM");
    const { code } = await first.ended;
    closeSync(unread);
    expect(code).toBe(linux ? 6 : expect.anything());
    expect(world.overlaps()).toEqual([]);
  });

  it("whose reader is gone is nobody's trouble", async ({ expect }) => {
    await using world = new World();
    const run = world.run("exec 2> /dev/null; trap 'exit 6' TERM; work");
    await world.line(/^1 works/);
    run.child.stderr?.destroy();
    await pause(timing.leaseMs);
    run.kill("SIGTERM");
    expect((await run.ended).code).toBe(6);
  });
});

describe.concurrent("a group", () => {
  it.skipIf(!setsid)("of zombies only is gone; one with a living process is not", async ({ expect }) => {
    await using world = new World();
    // the inner shell leads a group of its own and ends once its parent is no shell any more, which would reap it
    const waits = "until ps -o comm= -p $PPID | grep -q sleep; do sleep 0.02; done";
    const zombies = world.start("sh", ["-c", `setsid sh -c '${waits}' & echo $!; exec sleep 100`]);
    const living = world.start("sh", ["-c", "setsid sleep 100 & echo $!; exec sleep 100"]);
    await until(
      () => /\n/.test(zombies.stdout) && /\n/.test(living.stdout),
      () => "no number",
    );
    const [dead, alive] = [Number(zombies.stdout), Number(living.stdout)];
    const stateOf = (pid: number): string => processes().find((process) => process.pid === pid)?.state ?? "";
    await until(
      () => stateOf(dead).startsWith("Z"),
      () => `state ${stateOf(dead)}`,
    );
    expect(signalGroup(dead, 0), "kill finds the zombie").toBe(true);
    if (linux) expect(isGroupGone(dead)).toBe(true);
    expect(isGroupGone(alive)).toBe(false);
    signalGroup(alive, "SIGKILL");
    await until(
      () => !isAlive(alive),
      () => "still there",
    );
  });

  it("is never everybody or ourselves", ({ expect }) => {
    for (const number of [0, 1, -1, 1.5, Number.NaN]) expect(() => signalGroup(number, 0)).toThrow("no process group");
    expect(signalGroup(2 ** 22 + 1, 0), "no such group").toBe(false);
  });
});

describe.concurrent("as PID 1", () => {
  it.skipIf(!namespaces)("warns, and counts a group of zombies that nobody reaps as gone", async ({ expect }) => {
    await using world = new World();
    const command = ["sh", "-c", "(sleep 100 &); (sleep 100 &); sleep 0.3; exit 5"];
    const unshare = ["--pid", "--fork", "--mount-proc", "--", ...world.program, "run", "job", "--", ...command];
    const run = world.start("unshare", unshare);
    expect(await run.code(), run.stderr).toBe(5);
    expect(run.stderr).toContain("--init");
    expect(run.stderr).not.toContain("left after SIGKILL");
    expect((await world.lock().get())?.record.holderIdentity, "released").toBe("");
  });

  it.skipIf(!namespaces)("stops at SIGTERM as elsewhere", async ({ expect }) => {
    await using world = new World();
    const command = ["sh", "-c", 'trap "exit 7" TERM; while :; do echo "1 works" >> "$J"; sleep 0.02; done'];
    const unshare = ["--pid", "--fork", "--mount-proc", "--", ...world.program, "run", "job", "--", ...command];
    const run = world.start("unshare", unshare);
    await world.line(/^1 works/);
    const inner = processes().find(({ parent }) => parent === run.pid);
    process.kill(inner?.pid ?? 0, "SIGTERM");
    expect(await run.code(), run.stderr).toBe(7);
  });
});

describe.concurrent("a command in a namespace that dies with the guardian", () => {
  it.skipIf(!namespaces)(
    "is gone when supervisor and guardian are both killed, and so is what left the group",
    async ({ expect }) => {
      await using world = new World();
      const leaver = 'setsid sh -c "while :; do echo 1 away >> \\"$J\\"; sleep 0.02; done" &';
      const script = `${leaver} while :; do echo 1 works >> "$J"; sleep 0.02; done`;
      const kind = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"];
      const run = world.tenure(["run", "job", "--", ...kind, "sh", "-c", script]);
      await world.line(/^1 works/);
      await world.line(/^1 away/);
      const guardian = await run.guardian();
      run.kill("SIGSTOP");
      process.kill(guardian, "SIGKILL");
      run.kill("SIGKILL");
      await pause(300);
      const lines = world.lines().length;
      await pause(300);
      expect(world.lines().length).toBe(lines);
    },
  );
});

describe.concurrent("the time of a campaign", () => {
  it("counts anew with --restart", async ({ expect }) => {
    await using world = new World();
    const run = world.run("work", { flags: ["--restart", "--wait", "2s"] });
    await run.leads();
    await world.line(/^1 works/);
    const second = world.run("work");
    await until(
      () => second.stderr.includes("is led by"),
      () => second.stderr,
    );
    await pause(2000); // longer than the wait, while leading
    expect(run.child.exitCode).toBeNull();
    process.kill(await run.guardian(), "SIGKILL");
    expect(await run.code(), run.stderr).toBe(75);
    expect(world.overlaps()).toEqual([]);
  });
});
