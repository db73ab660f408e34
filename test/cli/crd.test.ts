// Goal: `tenure crd` prints what deploy/ holds, for any group, and touches no cluster. Method: calls in this process.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { multiClusterLeaseCrd } from "../../src/kubernetes/multi-cluster-lease-crd.ts";
import { call } from "./call.ts";

describe("tenure crd", () => {
  it("K-91: prints deploy/crd.yaml to the letter", async () => {
    const file = readFileSync(join(import.meta.dirname, "..", "..", "deploy", "crd.yaml"), "utf8");
    expect(await call(["crd"])).toEqual({ code: 0, stdout: file, stderr: "" });
  });

  it("K-39: --group prints it for another group", async () => {
    const { code, stdout } = await call(["crd", "--group", "leases.example.com"]);
    expect(code).toBe(0);
    expect(stdout).toBe(multiClusterLeaseCrd("leases.example.com"));
  });

  it.each([
    [["crd", "leases"], "takes no name"],
    [["crd", "--group", "local"], '"local" is no DNS name'],
    [["crd", "--group", "Leases.example.com"], "is no DNS name"],
    [["crd", "--group", `${"a".repeat(64)}.example.com`], "is no DNS name"],
    [["crd", "--gruop", "a.b"], 'Did you mean "--group"?'],
  ])("%j is refused with exit code 2", async (args, says) => {
    const { code, stdout, stderr } = await call(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
  });

  it("starts its help with an example", async () => {
    expect((await call(["crd", "--help"])).stdout.split("\n").slice(0, 2)).toEqual([
      "Example:",
      "  tenure crd | kubectl apply -f -",
    ]);
  });
});
