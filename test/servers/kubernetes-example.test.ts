// Goal: the example for Kubernetes does what it says on a real server, for somebody who has installed the package.
// Method: runs it as a process of its own on the built package, by a kubeconfig, with a namespace and without.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeOn } from "./support/found-server.ts";
import { foundKube } from "./support/kube-server.ts";

const example = fileURLToPath(new URL("../../examples/servers/kubernetes-lease.ts", import.meta.url));

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(kubeConfig: string, ...args: readonly string[]): Ran {
  const { FORCE_COLOR: _colour, ...inherited } = process.env;
  const env = { ...inherited, KUBECONFIG: kubeConfig };
  const ran = spawnSync(process.execPath, [example, ...args], { encoding: "utf8", env, timeout: 60_000 });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

describeOn(foundKube, (start) => {
  test("examples/servers/kubernetes-lease.ts prints what it promises, and ends with 0", async () => {
    await using kube = await start();
    const { status, out, err } = run(await kube.fileOf(kube.kubeConfig()), await kube.namespace());
    expect(err).toBe("");
    expect(out.trimEnd().split("\n")).toEqual([
      "ada leads in a term of her own: true",
      "bob leads in a later term: true",
      "he waited for the watch, not for a poll: true",
      "the Lease is free: true",
    ]);
    expect(status).toBe(0);
  });

  test("without a namespace it says what it needs, and fails", () => {
    const { status, err } = run("/nowhere");
    expect(status).toBe(1);
    expect(err).toContain("name a namespace");
  });
});
