// Goal: whatever happens to a push, a Git repository has one winner, and the driver says no more than the remote has
// proved. Method: racers, hooks, locks, killed and frozen processes and a proxy between git and real servers.
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { GitStorage, GitStorageOptions } from "../../src/storage/git.ts";
import type { Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { assertStored, winnersOf, written } from "../../src/testing/storage-assertions.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { describeOn } from "./support/found-server.ts";
import {
  findGit,
  git,
  gitStorage,
  type GitServer,
  type GitTestPlace,
  type GitTransport,
} from "./support/git-server.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const patientMs = 240_000;

/** The tests of one transport; `of` gives its server. */
function on(transport: GitTransport, body: (of: () => GitServer) => void): void {
  describeOn(findGit(transport), (start) => {
    let server: GitServer | undefined;
    beforeAll(async () => void (server = await start()));
    afterAll(async () => server?.[Symbol.asyncDispose]());
    body(() => {
      if (server === undefined) throw new Error("the server has not been started");
      return server;
    });
  });
}

function hook(place: GitTestPlace, name: string, script: string): void {
  const path = join(place.path, "hooks", name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

async function raceOf(
  connections: readonly GitStorage[],
  write: (storage: GitStorage, racer: number) => Promise<WriteOutcome>,
): Promise<readonly number[]> {
  const racers = Array.from({ length: 16 }, (_, racer) => racer);
  return winnersOf(
    racers.map((racer) => {
      const storage = connections[racer % connections.length];
      if (storage === undefined) throw new Error("there is a connection for each racer");
      return write(storage, racer);
    }),
  );
}

async function race(place: GitTestPlace, options: Partial<GitStorageOptions>, rounds: number): Promise<void> {
  const connections = Array.from({ length: 4 }, () => gitStorage(place, { timeoutMs: 120_000, ...options }));
  const [first] = connections;
  if (first === undefined) throw new Error("there are four");
  try {
    let expected: Version | undefined;
    for (let round = 0; round < rounds; round += 1) {
      const before = expected;
      const winners = await raceOf(connections, (storage, racer) => {
        const value = bytes(`${round}.${racer}`);
        return before === undefined ? storage.create("a", value) : storage.replace("a", value, before);
      });
      expect(winners).toHaveLength(1);
      expected = await assertStored(first, "a", { value: bytes(`${round}.${winners[0]}`) });
    }
    expect(git(place.path, "fsck", "--no-dangling")).toBe("");
  } finally {
    await Promise.all(connections.map((storage) => storage.close()));
  }
}

for (const transport of ["file", "http", "daemon"] as const) {
  on(transport, (of) => {
    test("16 racers have one winner in each of 8 rounds", () => race(of().place(), {}, 8), patientMs);

    test(
      "16 racers have one winner with history=keep, and every step is a fast-forward",
      async () => {
        const place = of().place();
        hook(
          place,
          "update",
          '[ "$2" = 0000000000000000000000000000000000000000 ] || git merge-base --is-ancestor $2 $3',
        );
        await race(place, { history: "keep" }, 3);
        expect(git(place.path, "rev-list", "--count", "refs/tenure/a/@")).toBe("3");
      },
      patientMs,
    );

    test("16 racers have one winner on a branch", () => race(of().place(), { layout: "tree" }, 2), patientMs);

    test(
      "a hook that declines is without effect, at once, and health says so",
      async () => {
        for (const layout of ["refs", "tree"] as const) {
          const place = of().place();
          await using storage = gitStorage(place, { layout });
          const version = written(await storage.create("a", bytes("one")));
          hook(place, "update", "echo not on a Sunday; exit 1");
          const call = storage.replace("a", bytes("two"), version);
          await expect(call).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
          await expect(call).rejects.toThrow(/hook declined/);
          await assertStored(storage, "a", { value: bytes("one"), version });
          expect(await storage.health()).toMatchObject({
            status: "degraded",
            reasons: [/hook declined/].map(matching),
          });
          rmSync(join(place.path, "hooks", "update"));
          written(await storage.replace("a", bytes("two"), version));
          expect(await storage.health()).toMatchObject({ status: "healthy", reasons: [] });
        }
      },
      patientMs,
    );

    test(
      "a lock file that a killed push has left blocks its ref alone, and health names it",
      async () => {
        const place = of().place();
        await using storage = gitStorage(place);
        const version = written(await storage.create("a", bytes("one")));
        const lock = join(place.path, "refs/tenure/a/@.lock");
        writeFileSync(lock, "");
        await expect(storage.replace("a", bytes("two"), version)).rejects.toMatchObject({ applied: "no" });
        await expect(storage.remove("a", version)).rejects.toMatchObject({
          code: "STORAGE_UNAVAILABLE",
          applied: "no",
        });
        await assertStored(storage, "a", { value: bytes("one"), version });
        const { status, reasons } = await storage.health();
        expect(status).toBe("degraded");
        expect(reasons.join()).toMatch(/refs\/tenure\/a\/@\.lock.*until a person deletes it/);
        written(await storage.create("b", bytes("other keys go on")));
        expect(existsSync(lock)).toBe(true); // never deleted by us
        rmSync(lock);
        written(await storage.replace("a", bytes("two"), version));
        expect((await storage.health()).status).toBe("healthy");
      },
      patientMs,
    );

    test(
      "a ref that the server hides is absent, and nobody writes it",
      async () => {
        const place = of().place();
        await using storage = gitStorage(place);
        written(await storage.create("a", bytes("one")));
        git(place.path, "config", "transfer.hideRefs", "refs/tenure");
        expect(await storage.read("a")).toBeUndefined();
        await expect(storage.create("a", bytes("two"))).rejects.toMatchObject({ applied: "no" });
        git(place.path, "config", "--unset", "transfer.hideRefs");
        await assertStored(storage, "a", { value: bytes("one") });
      },
      patientMs,
    );

    test(
      "a person's rewritten branch loses the race, and a person's own files stay",
      async () => {
        const place = of().place();
        await using storage = gitStorage(place, { layout: "tree" });
        const first = written(await storage.create("a", bytes("one")));
        const tree = git(place.path, "rev-parse", "main^{tree}");
        const author = ["-c", "user.name=p", "-c", "user.email=p@x"];
        const foreign = git(place.path, ...author, "commit-tree", tree, "-p", "main", "-m", "a person was here");
        git(place.path, "update-ref", "refs/heads/main", foreign);
        const second = written(await storage.replace("a", bytes("two"), first)); // the person did not touch it
        const rewritten = git(place.path, ...author, "commit-tree", tree, "-m", "all of history in one commit");
        git(place.path, "update-ref", "refs/heads/main", rewritten);
        expect(await storage.replace("a", bytes("three"), second)).toEqual({ written: false });
        await assertStored(storage, "a", { value: bytes("one"), version: rewritten as Version }); // an id of Git
      },
      patientMs,
    );

    test("a missing repository is told with what to do", async () => {
      await using storage = gitStorage({ url: of().urlOf("nothing.git"), path: "", opened: [], options: {} });
      await expect(storage.read("a")).rejects.toMatchObject({
        code: "INVALID_SETTINGS",
        message: matching(/git init --bare/),
      });
      const write = storage.create("a", bytes("x"));
      await expect(write).rejects.toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
      expect((await storage.health()).status).toBe("unhealthy");
    });
  });
}

on("file", (of) => {
  test(
    "a deadline leaves no process behind, and no lock in the repository",
    async () => {
      const place = of().place();
      hook(place, "pre-receive", "sleep 300.25");
      await using storage = gitStorage(place);
      const write = storage.create("a", bytes("one"), { timeoutMs: 1500 });
      await expect(write).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      await storage.close();
      expect(storage.running).toBe(0);
      expect(spawnSync("pgrep", ["-f", `${place.path}|sleep 300.25`]).stdout.toString()).toBe("");
      rmSync(join(place.path, "hooks", "pre-receive"));
      await using again = gitStorage(place);
      written(await again.create("a", bytes("two")));
    },
    patientMs,
  );

  test(
    "a candidate that is killed while it writes loses nothing that was acknowledged, and leaves no lock",
    async () => {
      const place = of().place();
      const script = fileURLToPath(new URL("support/git-victim.ts", import.meta.url));
      await using storage = gitStorage(place);
      for (let round = 0; round < 8; round += 1) {
        const victim = spawn(process.execPath, [script, place.url], {
          env: { ...process.env, TMPDIR: of().root }, // what it leaves behind goes with the server
          stdio: ["ignore", "pipe", "inherit"],
        });
        const acknowledged: string[] = [];
        victim.stdout.setEncoding("utf8").on("data", (text: string) => acknowledged.push(...text.trim().split("\n")));
        while (acknowledged.length < 2) await new Promise((resolve) => setTimeout(resolve, 2 + 3 * round));
        victim.kill("SIGKILL");
        await once(victim, "close");
        // What it had started goes on for a moment, and ends by itself.
        while (spawnSync("pgrep", ["-f", place.path]).status === 0)
          await new Promise((resolve) => setTimeout(resolve, 5));
        const stored = await storage.read("a");
        const last = Number(acknowledged.at(-1)?.split(".")[1]);
        const [pid, count] = new TextDecoder().decode(stored?.value).split(".").map(Number);
        expect(pid).toBe(victim.pid);
        expect([last, last + 1, last + 2]).toContain(count);
        expect(spawnSync("find", [place.path, "-name", "*.lock"]).stdout.toString()).toBe("");
        if (stored !== undefined) written(await storage.replace("a", bytes("someone else"), stored.version));
      }
      expect(git(place.path, "fsck", "--no-dangling")).toBe("");
    },
    patientMs,
  );

  test(
    "receive-pack that is killed while it applies is unknown or without effect, never a success",
    async () => {
      const place = of().place();
      await using storage = gitStorage(place);
      const version = written(await storage.create("a", bytes("one")));
      hook(place, "reference-transaction", '[ "$1" = prepared ] && kill -9 $PPID; exit 0');
      const error: unknown = await storage.replace("a", bytes("two"), version).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      expect(existsSync(join(place.path, "refs/tenure/a/@.lock"))).toBe(true);
      rmSync(join(place.path, "hooks", "reference-transaction"));
      await assertStored(storage, "a", { value: bytes("one"), version });
      await expect(storage.replace("a", bytes("two"), version)).rejects.toMatchObject({ applied: "no" });
      expect((await storage.health()).reasons.join()).toContain("@.lock");
    },
    patientMs,
  );
});

on("file", (of) => {
  /** A storage by `ssh:`, with a script in the place of ssh: what is left out is the network. */
  function bySsh(place: GitTestPlace, script: string): GitStorage {
    const ssh = join(of().root, `ssh-${randomUUID()}`);
    writeFileSync(ssh, `#!/bin/sh\ncase "$*" in *"-p 2222 git@host "*) ;; *) exit 1;; esac\n${script}\n`);
    chmodSync(ssh, 0o755);
    const env = { PATH: process.env["PATH"] ?? "", GIT_SSH: ssh, GIT_SSH_VARIANT: "ssh" };
    return gitStorage({ ...place, url: `ssh://git@host:2222${place.path}` }, { git: { env } });
  }

  test(
    "over ssh user, port and repository arrive, and the protocol is the same",
    async () => {
      const place = of().place();
      await using storage = bySsh(place, 'for last; do :; done; exec sh -c "$last"');
      const version = written(await storage.create("a", bytes("one")));
      written(await storage.replace("a", bytes("two"), version));
      expect(await storage.replace("a", bytes("three"), version)).toEqual({ written: false });
      expect(storage.description).toBe(`git+ssh://host:2222${place.path}`);
    },
    patientMs,
  );

  test("ssh that is refused, or does not know the host, is denied without effect", async () => {
    for (const [line, message] of [
      ["git@host: Permission denied (publickey).", /a key that may read and push/],
      ["Host key verification failed.", /known_hosts/],
    ] as const) {
      await using storage = bySsh(of().place(), `echo "${line}" >&2; exit 255`);
      await expect(storage.read("a")).rejects.toMatchObject({ code: "ACCESS_DENIED", message: matching(message) });
      await expect(storage.create("a", bytes("x"))).rejects.toMatchObject({ code: "ACCESS_DENIED", applied: "no" });
    }
  });
});

on("http", (of) => {
  test(
    "user and password of the URL open a private repository, wrong ones are denied, and neither is shown (#63)",
    async () => {
      const server = of();
      const place = server.place("private");
      const right = place.url.replace("//", `//ada:${server.password}@`);
      await using storage = gitStorage({ ...place, url: right });
      const version = written(await storage.create("a", bytes("one")));
      await assertStored(storage, "a", { value: bytes("one"), version });
      expect(storage.description).not.toContain(server.password);
      for (const url of [place.url, place.url.replace("//", "//ada:wrong-s3cret@")]) {
        await using denied = gitStorage({ ...place, url });
        const calls = [
          () => denied.read("a"),
          () => denied.create("b", bytes("x")),
          () => denied.replace("a", bytes("x"), version),
        ];
        for (const call of calls) {
          const error: unknown = await call().catch((thrown: unknown) => thrown);
          expect(error).toMatchObject({ code: "ACCESS_DENIED", message: matching(/user and password/) });
          expect(String(error)).not.toContain("s3cret");
        }
        await expect(denied.create("b", bytes("x"))).rejects.toMatchObject({ applied: "no" });
      }
    },
    patientMs,
  );

  test("a repository that may only be read is denied for writes, which had no effect", async () => {
    const place = of().place("readonly");
    await using storage = gitStorage(place);
    expect(await storage.read("a")).toBeUndefined();
    const write = storage.create("a", bytes("x"));
    await expect(write).rejects.toMatchObject({ code: "ACCESS_DENIED", applied: "no", message: matching(/grant/) });
    expect(await storage.read("a")).toBeUndefined();
  });

  test("a throttling and a redirecting server are told as such, and nothing is sent elsewhere", async () => {
    for (const [folder, code, message] of [
      ["busy", "STORAGE_UNAVAILABLE", /left alone/],
      ["moved", "INVALID_SETTINGS", /final address/],
    ] as const) {
      await using storage = gitStorage({ url: of().urlOf(`${folder}/a.git`), path: "", opened: [], options: {} });
      await expect(storage.read("a")).rejects.toMatchObject({ code, message: matching(message) });
      await expect(storage.create("a", bytes("x"))).rejects.toMatchObject({ code, applied: "no" });
    }
  });
});

for (const transport of ["http", "daemon"] as const) {
  on(transport, (of) => {
    /** A place whose connections go through a proxy. */
    async function proxied(options: Partial<GitStorageOptions> = {}) {
      const server = of();
      const place = server.place();
      const proxy = await new FaultProxy({ port: server.process?.place.port ?? 0 }).inject({});
      const url = place.url.replace(/:\d+\//, `:${proxy.port}/`);
      return { place, proxy, direct: gitStorage(place), storage: gitStorage({ ...place, url }, options) };
    }

    test(
      "nobody listens: unavailable, and a write had no effect",
      async () => {
        const { proxy, storage, direct } = await proxied();
        await using _closing = { [Symbol.asyncDispose]: () => closeAll(storage, direct, proxy) };
        await proxy.inject({ accept: "refuse" });
        await expect(storage.read("a")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
        const write = storage.create("a", bytes("x"));
        await expect(write).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
        await proxy.inject({});
        written(await storage.create("a", bytes("x")));
      },
      patientMs,
    );

    test(
      "an answer that is lost after the push is written or unknown, and never a lost race (#15)",
      async () => {
        const { place, proxy, storage, direct } = await proxied();
        await using _closing = { [Symbol.asyncDispose]: () => closeAll(storage, direct, proxy) };
        let version = written(await storage.create("a", bytes("0")));
        const ends: string[] = [];
        for (let round = 1; round <= 3; round += 1) {
          // The ref is there when the hook runs; then the wire breaks, and heals before the remote is asked.
          hook(place, "post-update", `touch ${place.path}/applied; sleep 0.5`);
          const writing = storage.replace("a", bytes(`${round}`), version).then(
            (outcome) => (outcome.written ? "written" : "lost"),
            (error: unknown) => String(Reflect.get(Object(error), "code")),
          );
          while (!existsSync(join(place.path, "applied"))) await new Promise((resolve) => setTimeout(resolve, 5));
          proxy.resetAll();
          rmSync(join(place.path, "applied"));
          ends.push(await writing);
          rmSync(join(place.path, "hooks", "post-update"));
          version = await assertStored(direct, "a", { value: bytes(`${round}`) });
        }
        expect(ends).toEqual(["written", "written", "written"]); // the remote was asked, and has our commit
        expect(git(place.path, "fsck", "--no-dangling")).toBe("");
      },
      patientMs,
    );

    test(
      "a frozen wire is given up at the deadline: no process stays, a read is unavailable, a write unknown",
      async () => {
        const { proxy, storage, direct } = await proxied();
        await using _closing = { [Symbol.asyncDispose]: () => closeAll(storage, direct, proxy) };
        const version = written(await storage.create("a", bytes("0")));
        await proxy.inject({ down: { swallow: true } });
        await expect(storage.read("a", { timeoutMs: 700 })).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
        const write = storage.replace("a", bytes("1"), version, { timeoutMs: 700 });
        await expect(write).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
        await proxy.inject({});
        await storage.close();
        expect(storage.running).toBe(0);
        await assertStored(direct, "a", { value: bytes("0"), version }); // it never came to sending
      },
      patientMs,
    );

    test(
      "a slow wire that cuts every piece changes nothing",
      async () => {
        const { proxy, storage, direct } = await proxied();
        await using _closing = { [Symbol.asyncDispose]: () => closeAll(storage, direct, proxy) };
        await proxy.inject({
          up: { sliceBytes: 7, latencyMs: 10 },
          down: { sliceBytes: 5, latencyMs: 10, jitterMs: 5 },
        });
        const version = written(await storage.create("a", bytes("sliced")));
        await assertStored(storage, "a", { value: bytes("sliced"), version });
      },
      patientMs,
    );
  });
}

function matching(pattern: RegExp): unknown {
  return expect.stringMatching(pattern) as unknown; // an asymmetric matcher, whatever its type says
}

async function closeAll(...all: readonly (GitStorage | FaultProxy)[]): Promise<void> {
  for (const one of all) await one[Symbol.asyncDispose]();
}
