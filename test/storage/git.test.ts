// Goal: what the Git driver decides without a server is right: URLs, settings, arguments, answers, secrets. Method:
// tables for its pure parts, a shell script in the place of git to see what it is given, and the lease suite by path.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, test, vi } from "vitest";
import { gitError, gitFailure, without } from "../../src/storage/git-errors.ts";
import { parseLog } from "../../src/storage/git-history.ts";
import { importStream, parseObjects } from "../../src/storage/git-objects.ts";
import { planFiles } from "../../src/storage/git-paths.ts";
import { inheritedEnv } from "../../src/storage/git-process.ts";
import { isId } from "../../src/storage/git-refs.ts";
import { reportOf } from "../../src/storage/git-remote.ts";
import { gitSettings, type GitStorageOptions } from "../../src/storage/git-settings.ts";
import { hasSent } from "../../src/storage/git-workspace.ts";
import { GitStorage, isTrusted } from "../../src/storage/git.ts";
import { openStorage } from "../../src/storage/registry.ts";
import type { Change, Version } from "../../src/storage/versioned-storage.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { runSuite } from "../../src/testing/run-suite.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { written } from "../../src/testing/storage-assertions.ts";
import { git, GitServer, gitStorage, leave, type GitTestPlace } from "../servers/support/git-server.ts";

const folder = mkdtempSync(join(tmpdir(), "tenure-git-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const id = "0123456789abcdef0123456789abcdef01234567";
const other = "1123456789abcdef0123456789abcdef01234567";

describe("git storage, its leases by path", () => {
  // All cases of both suites run in test/servers/git.test.ts; LS13 alone takes as long as the rest of this file.
  const quick = leaseStorageSuite.filter(({ id: name }) => name !== "LS13");
  runSuite(test, quick, {
    complete: true,
    place: () => GitServer.start("file").then((server) => ({ server, place: server.place() })),
    connect: ({ place }) => gitStorage(place),
    remove: ({ server }) => server[Symbol.asyncDispose](),
  });
});

describe("git storage, its settings", () => {
  const problemsOf = (options: Partial<GitStorageOptions>): readonly string[] => {
    try {
      gitSettings({ url: "https://host/a.git", ...options });
      return [];
    } catch (error) {
      return Reflect.get(Object(error), "problems") as readonly string[]; // an InvalidSettingsError
    }
  };

  test.each([
    ["git+https://host/team/a.git", "git+https://host/team/a.git"],
    ["git+https://ada:s3cret%2f@host:8443/a.git", "git+https://host:8443/a.git"],
    ["git+ssh://git@host/a.git", "git+ssh://host/a.git"],
    ["git+file:///srv/a.git", "git+file:///srv/a.git"],
    ["git+http://127.0.0.1:81/a.git", "git+http://127.0.0.1:81/a.git"],
    ["git+git://localhost:9418/a.git", "git+git://localhost:9418/a.git"],
    ["git+https://host/a.git?namespace=refs/x", "git+https://host/a.git?namespace=refs/x"],
    [
      "git+https://host/a.git?layout=tree&branch=state&directory=a/b",
      "git+https://host/a.git?layout=tree&branch=state&directory=a/b",
    ],
  ])("%s is described as %s", async (url, description) => {
    await using storage = await openStorage(url);
    expect(storage.description).toBe(description);
    expect(inspect(storage, { depth: 10, showHidden: true })).not.toContain("s3cret");
  });

  test.each([
    ["git+http://example.com/a.git", /loopback only/],
    ["git+git://example.com/a.git", /loopback only/],
    ["git+https://host", /reads "git\+https:\/\/host\/repository.git"/],
    ["git+file:", /reads "git\+file:\/\/\/repository.git"/],
    ["git+ssh://ada:s3cret@host/a.git", /no password/],
    ["git+ssh://-oProxyCommand=x/a.git", /./],
    ["git+ssh://-x@host/a.git", /the user in url/],
    ["git+https://host/a%0ab.git", /must name a repository/],
    ["git+https://host/a.git?layout=x&branches=1", /branches is no parameter.*layout/],
    ["git+ext://sh/a", /unknown/],
  ])("%s is refused before anything is started", async (url, message) => {
    const opened = openStorage(url, { client: { path: "/nowhere/git" } });
    await expect(opened).rejects.toMatchObject({ code: "INVALID_SETTINGS", message: expect.stringMatching(message) });
    await expect(opened).rejects.not.toMatchObject({ message: expect.stringContaining("s3cret") });
  });

  test("every wrong option is named, and no URL repeated", () => {
    const wrong = { namespace: "refs/a..b", branch: "-x", directory: "../a", author: "x\n <y>", pollMs: 1, mirror: "" };
    const problems = problemsOf({ url: "ext::sh -c s3cret", ...wrong });
    expect(problems).toHaveLength(7);
    for (const name of Object.keys(wrong)) expect(problems.join("\n")).toContain(name);
    expect(problems.join("\n")).not.toContain("s3cret");
  });

  test.each([
    "refs/heads/",
    "refs",
    "x/y",
    "refs/a.lock",
    "refs/.a",
    "refs/a b",
    "refs/a:b",
    "refs/a*",
    "refs/a~1",
    "refs/-a",
  ])("%s is no namespace", (namespace) => expect(problemsOf({ namespace })).toHaveLength(1));

  test("writes are two seconds apart, but by path as quick as one likes", () => {
    expect(gitSettings({ url: "https://host/a.git" }).minWriteIntervalMs).toBe(2000);
    expect(gitSettings({ url: "file:///a.git" }).minWriteIntervalMs).toBe(0);
    expect(new GitStorage({ url: "file:///a.git" }).capabilities).toMatchObject({ watch: "poll", transact: false });
    expect(new GitStorage({ url: "file:///a.git", layout: "tree" }).capabilities.transact).toBe(true);
  });

  test("a client that is no program of git is refused, and probe=auto trusts receive-pack", async () => {
    await expect(openStorage("git+file:///a.git", { client: { token: "x" } })).rejects.toThrow(/GitProgram/);
    expect(isTrusted()).toBe(true);
  });
});

describe("git storage, what git is given", () => {
  function fakeGit(name: string, script: string): string {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  test("a git that is missing or too old is told with what to install", async () => {
    const old = fakeGit("old", 'echo "git version 2.29.3"');
    for (const [path, message] of [
      ["/nowhere/git", /install git 2\.30/],
      [old, /2\.29\.3 is too old: install/],
    ] as const) {
      await using storage = new GitStorage({ url: "file:///a.git", git: { path } });
      await expect(storage.read("a")).rejects.toMatchObject({
        code: "PACKAGE_MISSING",
        message: expect.stringMatching(message),
      });
    }
  });

  test("secrets travel by environment, nothing foreign is read, and operands follow --", async () => {
    const seen = join(folder, "seen");
    const path = fakeGit(
      "spy",
      `[ "$1" = version ] && echo "git version 2.31.0" && exit\n{ echo "args $*"; env; } >> ${seen}\nexit 2`,
    );
    await using storage = new GitStorage({
      url: "https://ada:s3cret@host/a.git",
      git: { path, env: { PATH: process.env["PATH"] ?? "", GIT_SSL_NO_VERIFY: "1" } },
    });
    expect(await storage.read("-x/--upload-pack=y")).toBeUndefined();
    const text = readFileSync(seen, "utf8");
    const [fetched = "", asked = ""] = text.split("\n").filter((line) => line.startsWith("args"));
    expect(fetched).toMatch(/ -- https:\/\/host\/a.git \+refs\/tenure\/-x\/--upload-pack%3dy\/@:refs\/tenure\/value$/);
    expect(asked).toMatch(/ls-remote --exit-code --refs -- https:\/\/host\/a.git refs\/tenure\/-x/);
    expect(fetched + asked).not.toMatch(/s3cret|ada/);
    const pair = Buffer.from("ada:s3cret").toString("base64");
    expect(text).toContain(`GIT_CONFIG_PARAMETERS='http.extraheader=Authorization: Basic ${pair}'`);
    for (const line of [
      "GIT_CONFIG_NOSYSTEM=1",
      "GIT_CONFIG_GLOBAL=/dev/null",
      "GIT_TERMINAL_PROMPT=0",
      "GIT_ALLOW_PROTOCOL=https",
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toMatch(/^HOME=.*tenure-git-/m); // before 2.32 git would read the user's configuration there
  });

  test("of this process git inherits everything but what is git's own and what asks people", () => {
    const env = {
      PATH: "/bin",
      GIT_DIR: "/x",
      GIT_SSL_CAINFO: "/ca",
      GIT_SSL_NO_VERIFY: "1",
      SSH_ASKPASS: "/ask",
      A: "b",
    };
    expect(inheritedEnv(env)).toEqual({ PATH: "/bin", GIT_SSL_CAINFO: "/ca", A: "b" });
  });

  test("a version that is no id is lost without a process, and never means absent", async () => {
    await using storage = new GitStorage({ url: "file:///a.git", git: { path: "/nowhere/git" } });
    for (const version of ["", "0", "0".repeat(40), "HEAD", "refs/heads/main", `${id}^`] as Version[]) {
      // out of nowhere
      expect(isId(version)).toBe(false);
      expect(await storage.replace("a", bytes("x"), version)).toEqual({ written: false });
      expect(await storage.remove("a", version)).toEqual({ written: false });
    }
    expect(isId(id)).toBe(true);
  });

  test("a deadline kills the whole process group", async () => {
    const pids = join(folder, "pids");
    const version = '[ "$1" = version ] && echo "git version 2.40.0" && exit';
    const script = `${version}\ntrap "" TERM\nsleep 300 &\necho "$$ $!" > ${pids}\nwait`;
    await using storage = new GitStorage({ url: "file:///a.git", git: { path: fakeGit("slow", script) } });
    await expect(storage.read("a", { timeoutMs: 500 })).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await storage.close();
    expect(storage.running).toBe(0);
    for (const pid of readFileSync(pids, "utf8").trim().split(" ").map(Number))
      expect(isAlive(pid), `${pid}`).toBe(false);
  });

  test("what fast-import reads is counted, so that no value or key can say anything", () => {
    const settings = gitSettings({ url: "file:///a.git", clock: new ManualClock(), random: new SeededRandom(1) });
    const content = bytes("x\ndone\ncommit refs/heads/main\n");
    const plan = { directory: "", settings, parent: id, keys: ["a"], files: [{ path: "value", content }] };
    const signal = new AbortController().signal;
    const text = importStream({ ...plan, signal }).toString("utf8");
    expect(text).toContain(`from ${id}\nM 100644 inline value\ndata ${content.length}\nx\ndone\n`);
    expect(text).toMatch(/\nTenure-Key: a\nTenure-Nonce: [0-9a-f-]{36}\n/);
    expect(text.endsWith("\nget-mark :1\ndone\n")).toBe(true);
    expect(importStream({ ...plan, signal }).toString("utf8")).not.toBe(text); // another nonce: another version
  });
});

describe("git storage, its copy of a branch", () => {
  async function onBranch(run: (place: GitTestPlace) => Promise<void>): Promise<void> {
    await using server = await GitServer.start("file");
    const place = server.place();
    try {
      await run(place);
    } finally {
      await leave(place);
    }
  }

  test("a copy that is to be kept serves the next connection, and is no repository of somebody else", () =>
    onBranch(async (place) => {
      const mirror = join(folder, "mirror");
      await using first = gitStorage(place, { layout: "tree", mirror });
      const created = await first.create("a", bytes("one"));
      await first.close();
      expect(existsSync(join(mirror, "HEAD"))).toBe(true);
      await using second = gitStorage(place, { layout: "tree", mirror });
      expect(await second.read("a")).toMatchObject({ value: bytes("one"), version: Reflect.get(created, "version") });
      await using foreign = gitStorage(place, { layout: "tree", mirror: place.path });
      await expect(foreign.read("a")).rejects.toMatchObject({
        code: "INVALID_SETTINGS",
        message: expect.stringMatching(/somebody else/),
      });
    }));

  test("what a sweeper takes out of the temporary copy is fetched again", () =>
    onBranch(async (place) => {
      const other = gitStorage(place, { layout: "tree" });
      written(await other.create("a", bytes("one")));
      const sweepers = [(copy: string) => join(copy, "objects"), (copy: string) => copy, dirname];
      for (const swept of sweepers) {
        const temporary = mkdtempSync(join(folder, "tmp-")); // others may use the usual one just now
        vi.stubEnv("TMPDIR", temporary);
        const storage = gitStorage(place, { layout: "tree" });
        await storage.read("a").finally(() => vi.unstubAllEnvs());
        const [root = ""] = readdirSync(temporary);
        rmSync(swept(join(temporary, root, "mirror-0")), { recursive: true });
        await storage.read("a").catch(() => undefined); // it may notice only now
        written(await storage.create(`b/${randomUUID()}`, bytes("two")));
        expect(await storage.read("a")).toEqual(await other.read("a"));
      }
    }));

  test("a person's merge is a write of whatever it changes on this branch, and of nothing else", () =>
    onBranch(async (place) => {
      const [main, side] = [
        gitStorage(place, { layout: "tree" }),
        gitStorage(place, { layout: "tree", branch: "side" }),
      ];
      const [first, kept] = [
        written(await main.create("a", bytes("one"))),
        written(await main.create("k", bytes("k"))),
      ];
      git(place.path, "branch", "side", "main");
      const aside = written(await side.replace("a", bytes("aside"), first));
      written(await main.create("b", bytes("left out by the merge")));
      const person = ["-c", "user.name=p", "-c", "user.email=p@x"];
      const parents = ["-p", "main", "-p", "side"];
      const merge = git(place.path, ...person, "commit-tree", "side^{tree}", ...parents, "-m", "a merge");
      git(place.path, "update-ref", "refs/heads/main", merge);
      expect(await main.read("a")).toMatchObject({ value: bytes("aside"), version: merge });
      expect(await main.read("b")).toBeUndefined();
      for (const old of [first, aside]) expect(await main.replace("a", bytes("late"), old)).toEqual({ written: false });
      expect(await main.read("k")).toMatchObject({ version: kept });
      written(await main.replace("k", bytes("on"), kept));
    }));

  test("only git's own trace proves that a push was not sent", async () => {
    const trace = join(folder, "trace");
    const command = `${id} refs/tenure/a/@`;
    expect(await hasSent(join(folder, "no trace"), command)).toBe(true);
    for (const [text, isSent] of [
      ["", true],
      [`built-in: git push -- url ${id}:refs/tenure/a/@`, false],
      [`built-in: git push -- url ${id}:refs/tenure/a/@\npacket: push> ${other} ${command}\\0 report-status`, true],
    ] as const) {
      writeFileSync(trace, text);
      expect(await hasSent(trace, command), text).toBe(isSent);
    }
  });
});

describe("git storage, what git says", () => {
  const failed = (stderr: string) => ({ code: 128, stdout: Buffer.alloc(0), stderr });

  test.each([
    [
      "fatal: unable to access 'https://host/a.git/': Failed to connect to host port 443: Connection refused",
      "unreached",
      /reached/,
    ],
    ["fatal: Authentication failed for 'https://host/a.git/'", "denied", /user and password/],
    ["fatal: could not read Username for 'https://host': terminal prompts disabled", "denied", /user and password/],
    ["fatal: unable to access 'https://host/a.git/': The requested URL returned error: 403", "denied", /grant/],
    ["git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.", "denied", /key/],
    ["Host key verification failed.\nfatal: Could not read", "denied", /known_hosts/],
    ["fatal: detected dubious ownership in repository at '/a'", "denied", /owner/],
    [
      "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
      "unavailable",
      /GIT_SSL_CAINFO/,
    ],
    ["fatal: '/a.git' does not appear to be a git repository", "no place", /git init --bare/],
    ["fatal: repository 'https://host/a.git/' not found", "no place", /git init --bare/],
    ["fatal: remote error: access denied or repository not exported: /a.git", "no place", /may not see/],
    ["fatal: remote error: service not enabled: 'receive-pack': /a.git", "denied", /receive-pack/],
    ["fatal: unable to access 'https://h/': The requested URL returned error: 302", "no place", /final address/],
    ["fatal: unable to access 'https://h/': The requested URL returned error: 429", "unavailable", /left alone/],
    [
      "fatal: the receiving end does not support this repository's hash algorithm\nfatal: mismatched algorithms",
      "no place",
      /sha1/,
    ],
    ["remote: Permission denied\nfatal: the remote end hung up unexpectedly", "unavailable", /hung up/],
  ])("%s", (stderr, kind, message) => {
    expect(gitFailure(failed(stderr))).toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  test("each kind is an error of ours; of a write in doubt only what proves nothing is unknown", () => {
    const call = { operation: "replace", storage: "git+file:///a", key: "k" };
    const codeOf = (stderr: string, applied?: "no" | "unknown"): unknown => {
      const error = gitError(gitFailure(failed(stderr)), { ...call, ...(applied && { applied }) });
      return [Reflect.get(Object(error), "code"), Reflect.get(Object(error), "applied")];
    };
    expect(codeOf("fatal: Authentication failed", "no")).toEqual(["ACCESS_DENIED", "no"]);
    expect(codeOf("fatal: '/a' does not appear to be a git repository", "no")).toEqual(["INVALID_SETTINGS", "no"]);
    expect(codeOf("fatal: whatever", "no")).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    expect(codeOf("fatal: whatever", "unknown")).toEqual(["OUTCOME_UNKNOWN", "unknown"]);
    expect(codeOf("fatal: whatever")).toEqual(["STORAGE_UNAVAILABLE", undefined]);
  });

  test("what a server repeats of credentials is taken out (#63)", () => {
    const pair = Buffer.from("ada:s3cret").toString("base64");
    const credentials = { user: "ada", password: "s3cret" };
    expect(without(`no s3cret for ada, nor Basic ${pair}`, credentials)).toBe("no … for …, nor Basic …");
    expect(gitFailure(failed(`fatal: bad Basic ${pair}`), credentials).message).not.toContain(pair);
  });

  test("the report of a push is the line of its ref, and a missing report is none", () => {
    const ref = "refs/tenure/a/@";
    const line = (flag: string, summary: string) => Buffer.from(`To x\n${flag}\t${id}:${ref}\t${summary}\nDone\n`);
    expect(reportOf(line("*", "[new reference]"), ref)).toMatchObject({ flag: "*", answered: true });
    expect(reportOf(line("=", "[up to date]"), ref)).toMatchObject({ flag: "=", answered: true });
    expect(reportOf(line("!", "[rejected] (stale info)"), ref)).toMatchObject({ answered: true });
    expect(reportOf(line("!", "[remote rejected] (hook declined)"), ref)).toMatchObject({ answered: true });
    expect(reportOf(line("!", "[remote failure] (remote failed to report status)"), ref)).toMatchObject({
      answered: false,
    });
    expect(reportOf(line("*", "[new reference]"), "refs/tenure/b/a/@")).toBeUndefined();
    expect(reportOf(Buffer.from("To x\n"), ref)).toBeUndefined();
  });

  test("objects are read by their sizes, missing ones as undefined, cut ones as trouble", () => {
    const text = `${id} blob 5\na\nb c\nrefs/x missing\n${other} commit 0\n\n`;
    const [first, second, third] = parseObjects(Buffer.from(text), 3);
    expect(first).toEqual({ id, type: "blob", content: Uint8Array.from(Buffer.from("a\nb c")) });
    expect(second).toBeUndefined();
    expect(third).toMatchObject({ id: other, type: "commit" });
    for (const cut of ["", `${id} blob 9\nabc\n`]) expect(() => parseObjects(Buffer.from(cut), 1)).toThrow(/early/);
  });

  test("a commit has written what it names and what it touches, but not what it only moved", () => {
    const first = `\u0001${id}\u0002a/b\n\u0002a\n\u0002\n\nd/a\nd/a/@\nd/a/b\n`;
    const second = `\u0001${other}\u0002\u0002\u0002\n\nREADME.md\nd/c\nd/UPPER\n`;
    const [mine, persons] = parseLog(first + second, "d/");
    expect(mine).toEqual({ id, keys: new Set(["a/b"]) });
    expect(persons).toEqual({ id: other, keys: new Set(["c"]) });
  });

  test("a file that is in the way of a key below it moves, and nothing else does", () => {
    const at = (entries: Record<string, string>) => (path: string) => {
      const type = entries[path];
      return type === undefined ? undefined : { id: `id of ${path}`, type };
    };
    const value = bytes("x");
    const create = (key: string): Change => ({ kind: "create", key, value });
    const remove = (key: string): Change => ({ kind: "remove", key, expected: "v" as Version }); // of nobody
    const plan = (changes: readonly Change[], entries: Record<string, string> = {}) => planFiles(changes, at(entries));
    expect(plan([create("a")])).toEqual({ moved: [], files: [{ path: "a", content: value }] });
    expect(plan([create("a")], { a: "tree" }).files).toEqual([{ path: "a/@", content: value }]);
    expect(plan([create("a/b")], { a: "blob" })).toEqual({
      moved: ["a"],
      files: [{ path: "a" }, { path: "a/@", blob: "id of a" }, { path: "a/b", content: value }],
    });
    expect(plan([create("a"), create("a/b")]).files.map(({ path }) => path)).toEqual(["a/@", "a/b"]);
    expect(plan([remove("a"), create("a/b")], { a: "blob" }).files).toEqual([
      { path: "a" },
      { path: "a/b", content: value },
    ]);
    expect(plan([remove("a")], { a: "tree", "a/@": "blob" }).files).toEqual([{ path: "a/@" }]);
  });
});

/** A process that has ended and that nobody has waited for is dead. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return /^[^Z\s]/.test(stdout);
}
