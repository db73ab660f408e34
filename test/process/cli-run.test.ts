// Goal: a command runs under `tenure run` as it would alone, ends with its own code, and is told all that the
// contract says. Method: real processes on file storage; each case has its own folder, and they run side by side.
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { isAlive, nowMs, processes, timing, until, World } from "./cli-world.ts";

const linux = process.platform === "linux";

describe.concurrent("the start", () => {
  it("gives the command its name, identity, term, storage and control socket", async ({ expect }) => {
    await using world = new World();
    const run = world.run('env > "$J"', {
      name: "billing",
      flags: ["--label", "me"],
    });
    expect(await run.code(), run.stderr).toBe(0);
    const lines = world.lines();
    const value = (name: string): string =>
      lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    expect(value("TENURE_NAME")).toBe("billing");
    expect(value("TENURE_IDENTITY")).toMatch(/^me_[0-9a-f-]{36}$/);
    expect(value("TENURE_TERM")).toBe("1");
    expect(value("TENURE_STORAGE")).toBe(`file://${world.storage}`);
    expect(existsSync(dirname(value("TENURE_CONTROL"))), "the socket's folder is removed").toBe(false);
  });

  it("is in a process group of the guardian, which has its own title, and not in the shell's", async ({ expect }) => {
    await using world = new World();
    const run = world.run("note $$; work");
    await world.line(/^1 \d+$/);
    const leader = await run.guardian();
    const command = processes().find(({ pid }) => pid === Number(world.lines()[0]?.split(" ")[1]));
    const guardian = processes().find(({ pid }) => pid === leader);
    expect(command?.group).toBe(guardian?.pid);
    expect(command?.parent).toBe(guardian?.pid);
    expect(guardian?.group).toBe(guardian?.pid);
    expect(guardian?.command).toBe("tenure-guardian");
    expect(processes().find(({ pid }) => pid === run.pid)?.group).not.toBe(guardian?.pid);
  });

  it("has a guardian while standing by, and no command", async ({ expect }) => {
    await using world = new World();
    const first = world.run("work");
    await first.leads();
    const second = world.run("note second; work");
    await until(
      () => second.stderr.includes("campaigning"),
      () => second.stderr,
    );
    const guardian = await second.guardian();
    expect(isAlive(guardian)).toBe(true);
    expect(processes().filter(({ parent }) => parent === guardian)).toEqual([]);
    second.kill("SIGKILL");
    await until(
      () => !isAlive(guardian),
      () => "the guardian outlives its supervisor",
    );
    expect(world.lines().join()).not.toContain("second");
  });

  it("passes on the environment, names with dots too, and NODE_OPTIONS to the command alone", async ({ expect }) => {
    await using world = new World();
    const env = { "a.b": "dotted", NODE_OPTIONS: "--stack-trace-limit=77" };
    const run = world.tenure(["run", "job", "--", "env"], { env });
    expect(await run.code(), run.stderr).toBe(0);
    const lines = run.stdout.split("\n");
    expect(lines).toContain("a.b=dotted");
    expect(lines).toContain("NODE_OPTIONS=--stack-trace-limit=77");
    const other = world.run("tr '\\0' '\\n' < /proc/$PPID/environ | grep -c NODE_OPTIONS", { env });
    await other.ended;
    if (linux) expect(other.stdout).toBe("0\n");
  });

  it.skipIf(!linux)("leaves stdio as it was, and hands on no descriptor of its own", async ({ expect }) => {
    await using world = new World();
    // O_NONBLOCK is 04000: a command that shares its pipe with a Node would otherwise get EAGAIN
    const run = world.run("grep flags /proc/self/fdinfo/1; readlink /proc/$$/fd/* | grep -c socket: || true");
    expect(await run.code(), run.stderr).toBe(0);
    const [flags = "", sockets] = run.stdout.trim().split("\n");
    expect(Number.parseInt(flags.replace("flags:", ""), 8) & 0o4000, flags).toBe(0);
    // the test's own pipes to stdout and stderr are sockets, and fd 0 is not
    expect(Number(sockets)).toBeLessThanOrEqual(2);
  });

  it("keeps the command's output on stdout, and all of its own on stderr", async ({ expect }) => {
    await using world = new World();
    const run = world.run("echo result; echo trouble >&2");
    expect(await run.code()).toBe(0);
    expect(run.stdout).toBe("result\n");
    expect(run.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("tenure: "))).toEqual(["trouble"]);
  });
});

describe.concurrent("the exit code", () => {
  it.each([0, 3, 75, 255])("of the command passes through: %d", async (code) => {
    await using world = new World();
    expect(await world.run(`exit ${code}`).code()).toBe(code);
  });

  it.each([
    ["TERM", 143],
    ["KILL", 137],
    ["USR1", 138],
  ])("is 128 + n when the command ends by SIG%s", async (signal, code) => {
    await using world = new World();
    expect(await world.run(`kill -${signal} $$`).code()).toBe(code);
  });

  it.each([
    [127, "is not there", "/nowhere/nothing"],
    [126, "may not be executed", "/etc/passwd"],
  ])("is %d when the command %s, and the lease is free", async (code, _what, file) => {
    await using world = new World();
    const run = world.tenure(["run", "job", "--restart", "--", file]);
    expect(await run.code(), run.stderr).toBe(code);
    expect((await world.lock().get())?.record.holderIdentity).toBe("");
  });

  it.each([
    [["run", "job", "--wait", "30", "--", "true"], "--wait"],
    [["run", "job", "--graec", "3s", "--", "true"], '"--grace"'],
    [["run", "job", "true"], '"--"'],
    [["run", "job", "--"], "no command"],
    [["run", "job", "--kill-after", "413ms", "--", "true"], "412ms"],
    [["run", "job", "--lease-duration", "2s", "--", "true"], "leaseDurationMs"],
    [["run", "a/b", "--", "true"], "name"],
    [["run", "job", "--storage", "memory:", "--", "true"], "private"],
    [["run", "job", "--storage", "etcd://u:hunter2@h", "--", "true"], "known are"],
  ])("is 125 for wrong flags and settings: %j", async (args, says) => {
    await using world = new World();
    const run = world.tenure(args);
    expect(await run.code()).toBe(125);
    expect(run.stderr).toContain(says);
    expect(run.stderr).not.toContain("hunter2");
    expect(run.stdout).toBe("");
  });

  it("is 75 when another holds the lease: at once with --no-wait, in time with --wait", async ({ expect }) => {
    await using world = new World();
    const first = world.run("work");
    await first.leads();
    const startedMs = nowMs();
    const [atOnce, later] = [
      world.run("work", { flags: ["--no-wait"] }),
      world.run("work", { flags: ["--wait", "1s"] }),
    ];
    const ends = await Promise.all([atOnce.ended, later.ended]);
    expect(ends.map(({ code }) => code)).toEqual([75, 75]);
    expect(later.stderr).toContain("not leading after 1s");
    expect((ends[1]?.atMs ?? 0) - startedMs).toBeGreaterThan(1000);
    expect((ends[1]?.atMs ?? 0) - startedMs).toBeLessThan(1000 + 2 * timing.validityMs);
    first.kill("SIGTERM");
    expect(await first.code()).toBe(143);
    const free = world.run("exit 4", { flags: ["--no-wait"] });
    expect(await free.code(), free.stderr).toBe(4);
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)("is 128 + n when %s comes while standing by", async (signal, code) => {
    await using world = new World();
    const first = world.run("work");
    await first.leads();
    const second = world.run("work");
    await until(
      () => second.stderr.includes("is led by"),
      () => second.stderr,
    );
    second.kill(signal);
    expect(await second.code()).toBe(code);
  });
});

describe.concurrent("a graceful end", () => {
  it("renews while the command ends, has its exit code, and hands over at once", async ({ expect }) => {
    await using world = new World();
    // takes longer to end than a validity and a lease last
    const first = world.run(
      "trap 'note told; for i in 1 2 3 4 5 6 7; do note ending; sleep 0.5; done; exit 9' TERM; work",
    );
    await first.leads();
    const second = world.run("work");
    await world.line(/^1 works/);
    first.kill("SIGTERM");
    const { code, atMs } = await first.ended;
    expect(code, first.stderr).toBe(9);
    expect(world.lines()).toContain("1 told");
    await world.line(/^[2-9]/);
    expect(nowMs() - atMs, "release to takeover").toBeLessThan(1000);
    expect(world.overlaps()).toEqual([]);
    second.kill("SIGINT");
    expect(await second.code()).toBe(143); // the command gets SIGTERM, whatever tenure got
  });

  it("kills a command that ignores SIGTERM after --grace, and exits with 137", async ({ expect }) => {
    await using world = new World();
    const first = world.run("trap '' TERM; work", { flags: ["--grace", "1s"] });
    await first.leads();
    await world.line(/^1 works/);
    const toldMs = nowMs();
    first.kill("SIGTERM");
    const { code, atMs } = await first.ended;
    expect(code).toBe(137);
    expect(atMs - toldMs).toBeGreaterThan(1000);
    expect((await world.lock().get())?.record.holderIdentity, "released").toBe("");
  });

  it("kills at a second signal, and exits with 137", async ({ expect }) => {
    await using world = new World();
    const first = world.run("trap '' TERM; work");
    await first.leads();
    await world.line(/^1 works/);
    first.kill("SIGTERM");
    await until(
      () => first.stderr.includes("SIGTERM: stops"),
      () => first.stderr,
    );
    first.kill("SIGINT");
    expect(await first.code()).toBe(137);
    expect((await world.lock().get())?.record.holderIdentity, "released").toBe("");
  });

  it("has the command's own code if that ended in time, also if it is learned after the lease", async ({ expect }) => {
    await using world = new World();
    const first = world.run("note began; sleep 0.7; exit 6");
    await world.line(/^1 began/);
    first.kill("SIGSTOP");
    await until(
      () => false,
      () => "",
      timing.leaseMs + 500,
    ).catch(() => {});
    first.kill("SIGCONT");
    expect(await first.code(), first.stderr).toBe(6);
  });

  it("kills what the command leaves behind in its group", async ({ expect }) => {
    await using world = new World();
    const run = world.run("(trap '' TERM HUP; work) & (sleep 1000) & sleep 0.2; exit 5");
    const group = await run.guardian();
    expect(await run.code()).toBe(5);
    expect(processes().filter((process) => process.group === group && !process.state.startsWith("Z"))).toEqual([]);
    expect((await world.lock().get())?.record.holderIdentity, "released").toBe("");
  });
});

describe.concurrent("signals and control", () => {
  it("forwards SIGHUP, SIGUSR2 and SIGWINCH, and only these", async ({ expect }) => {
    await using world = new World();
    const script = 'for s in HUP USR2 WINCH INT TSTP; do trap "note got $s" $s; done; work';
    const run = world.run(script);
    await world.line(/^1 works/);
    for (const signal of ["SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGHUP", "SIGUSR2", "SIGWINCH"] as const) run.kill(signal);
    for (const name of ["HUP", "USR2", "WINCH"]) await world.line(new RegExp(`^1 got ${name}`));
    expect(world.lines().join()).not.toMatch(/got (INT|TSTP)/);
    expect(processes().find(({ pid }) => pid === run.pid)?.state, "Ctrl-Z does not stop it").not.toMatch(/^T/);
    run.kill("SIGTERM");
    expect(await run.code()).toBe(143);
  });

  it("resigns by its control socket: for good, or with --restart into a new term", async ({ expect }) => {
    await using world = new World();
    const run = world.run('trap "exit 0" TERM; note "$TENURE_CONTROL"; work', { name: "other", flags: ["--restart"] });
    await world.line(/^1 \//);
    const socket = world.lines()[0]?.slice(2) ?? "";
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    const wrong = world.tenure(["release", "job", "--control", socket]);
    expect(await wrong.code()).toBe(4);
    expect(wrong.stderr).toContain('"other"');
    const right = world.tenure(["release", "other", "--control", socket, "--json"]);
    expect(await right.code(), right.stderr).toBe(0);
    expect(JSON.parse(right.stdout)).toMatchObject({ schema: 1, released: true });
    await until(
      () => world.lines().some((line) => /^[2-9]\d* works/.test(line)),
      () => `${run.stderr} ${world.tail()}`,
    );
    expect(world.overlaps()).toEqual([]);
    run.kill("SIGTERM");
    expect(await run.code()).toBe(0);
  });

  it("tells by its control socket who leads and for how long, and that a standby does not", async ({ expect }) => {
    await using world = new World();
    const first = world.run("work");
    await first.leads();
    const second = world.run("work");
    await until(
      () => /control=\S+/.test(second.stderr),
      () => second.stderr,
    );
    const socket = (text: string): string => /control=(\S+)/.exec(text)?.[1] ?? "";
    const { askControl } = await import("../../src/cli/control-client.ts");
    const led = await askControl({ socketPath: socket(first.stderr), method: "GET", path: "/leader" });
    expect(led.body).toMatchObject({ schema: 1, name: "job", leading: true, term: 1 });
    expect(led.body["remainingMs"]).toBeGreaterThan(0);
    expect(led.body["remainingMs"]).toBeLessThanOrEqual(timing.validityMs);
    const refused = world.tenure(["release", "job", "--control", socket(second.stderr)]);
    expect(await refused.code()).toBe(3);
  });
});
