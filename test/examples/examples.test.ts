// Goal: each example does what it says, for somebody who has installed the package, and ends by itself. Method: runs
// each as its own process on the built package, and compares what it prints with what it promises.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));

/** What each example has to print, in this order; lines between these are free. */
const promised: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  "callbacks.ts": [
    "ada sees that ada leads",
    "ada sends invoice 1 in term 1",
    "bob sees that ada leads",
    /^ada sends invoice [2-9] in term 1$/,
    "ada stopped leading (stopped)",
    "bob sends invoice 1 in term 3",
    /^bob sends invoice [2-9] in term 3$/,
    "bob stopped leading (stopped)",
  ],
  "terms.ts": [
    "pass 1: held true",
    ...["  step 1", "  step 2", "  step 3"],
    "pass 2: held true",
    ...["  step 1", "  step 2", "  step 3"],
    "after the loop: leads false, state stopped",
  ],
  "await-using.ts": [
    "a replica has migrated in term 1",
    "a replica found the migration done",
    "a replica found the migration done",
  ],
  "guarded-state.ts": [
    "ada wrote in term 1",
    "bob wrote in term 3",
    /^guard: {3}term 1 has ended/,
    "journal: term 1 comes after term 3",
    "the journal holds 2 entries, its fence is 3",
  ],
  "fake-lock.ts": [
    "no mail is sent after the term has ended",
    "elected in term 2",
    "lost it (taken), and the calls were: get, update",
  ],
  "file-storage.ts": [
    "the child leads, in term 1",
    "the parent leads, in term 2",
    "it waited for the lease to run out: true",
    "the lease is free: true",
  ],
  "express-health.ts": [
    "ada /readyz: 503 idle",
    "bob /readyz: 503 idle",
    "ada /healthz: 200 ok",
    "bob /healthz: 200 ok",
    "ada /readyz: 200 leading",
    "bob /readyz: 200 following",
    'ada /leader: 200 {"holder":"ada","leading":true}',
    'bob /leader: 200 {"holder":"ada","leading":false}',
  ],
  "git.ts": [
    "ada has written in term 1: true",
    "bob has written in term 3: true",
    'the branch says {"by":"bob","term":3}',
    'git says {"by":"bob","term":3}, in 2 commits',
    "the lease is refs/tenure/leases/examples/git/@",
  ],
  "custom-storage.ts": [/storage LS1: /, /storage LS6: a write with a stale generation/, /pass 1[0-9]$/, /fail 0$/],
};

/** Examples that print other lines as well. */
const talkative: ReadonlySet<string> = new Set(["callbacks.ts", "custom-storage.ts"]);

async function outputOf(name: string): Promise<{ code: unknown; lines: readonly string[]; errors: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
  delete env["FORCE_COLOR"]; // beside NO_COLOR it makes Node print a warning
  const child = spawn(process.execPath, [`${folder}${name}`], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [output, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code]: unknown[] = await once(child, "close");
  return { code, lines: output.trimEnd().split("\n"), errors };
}

it("the package is built: npm run build", () => {
  expect(existsSync(`${folder}../dist/index.js`)).toBe(true);
});

it("every example is run here", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".ts")); // those of servers/ have tests of their own
  expect(names.sort()).toEqual(Object.keys(promised).sort());
});

it.each(Object.entries(promised))(
  "%s prints what it promises, and ends with 0",
  { timeout: 30_000 },
  async (name, wanted) => {
    const { code, lines, errors } = await outputOf(name);
    expect(errors).toBe("");
    let from = 0;
    for (const line of wanted) {
      const found = lines.findIndex(
        (text, index) => index >= from && (line instanceof RegExp ? line.test(text) : line === text),
      );
      expect(found, `${name} does not print ${String(line)} in:\n${lines.join("\n")}`).toBeGreaterThanOrEqual(from);
      from = found + 1;
    }
    expect(code).toBe(0);
    if (!talkative.has(name)) expect(lines).toHaveLength(wanted.length);
  },
);
