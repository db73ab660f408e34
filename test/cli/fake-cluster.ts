import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { clusterFlags } from "../../src/cli/command.ts";
import type { Finding } from "../../src/cli/findings.ts";
import { Flags } from "../../src/cli/flags.ts";
import { checkPlace } from "../../src/cli/place.ts";
import type { GrantedRule } from "../../src/kubernetes/cluster-questions.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { FakeKubernetes, type FakeKubernetesServer } from "../../src/testing/index.ts";
import { type Called, call } from "./call.ts";

/** The token of the kubeconfig: nobody may ever be shown it. */
export const secret = "s3cret-t0ken";

/** The requests that ask for all rights. */
export const onRules = { on: "create", plural: "selfsubjectrulesreviews" } as const;

/** The fake API server over HTTP with the namespace "default", and a kubeconfig for it in a fresh folder. */
export class FakeCluster implements AsyncDisposable {
  readonly api: FakeKubernetes;
  readonly server: FakeKubernetesServer;
  readonly kubeconfig: string;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "tenure-lease-"));

  private constructor(api: FakeKubernetes, server: FakeKubernetesServer) {
    this.api = api;
    this.server = server;
    this.kubeconfig = join(this.#folder, "config");
    this.writeKubeConfig({ token: secret });
    api.put({ group: "", version: "v1", plural: "namespaces", namespace: "", name: "default" }, {});
  }

  static async open(): Promise<FakeCluster> {
    const api = new FakeKubernetes();
    return new FakeCluster(api, await api.listen());
  }

  /** Its own current context leads nowhere, so that `--context` is seen to be heard. */
  writeKubeConfig(user: object, current = "here"): void {
    const entries = (name: string, url: string): object => ({
      name,
      cluster: { server: url, "insecure-skip-tls-verify": true },
    });
    const document = {
      "current-context": current,
      clusters: [entries("here", this.server.url), entries("nowhere", "http://127.0.0.1:9")],
      contexts: ["here", "nowhere"].map((name) => ({ name, context: { cluster: name, user: "me" } })),
      users: [{ name: "me", user }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(document));
  }

  /** `tenure` as the user of the kubeconfig; whatever it says, it shows no secret. */
  async tenure(...args: readonly string[]): Promise<Called> {
    const as = args.includes("--kubeconfig") ? [] : ["--kubeconfig", this.kubeconfig];
    const called = await call([...args, ...as]);
    expect(called.stdout + called.stderr).not.toContain(secret);
    return called;
  }

  /** What everybody may do from now on. */
  grant(rules: readonly (Partial<GrantedRule> & { readonly verbs: readonly string[] })[]): void {
    this.server.refuse({ status: 201, body: { status: { resourceRules: rules, incomplete: false } } }, onRules);
  }

  /** What the doctor finds, the first of each check, without its look at this machine, which takes a second. */
  async doctor(url: string, probe = true): Promise<Record<string, Finding>> {
    const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
    const flags = new Flags(["--kubeconfig", this.kubeconfig], clusterFlags, {});
    const { signal } = new AbortController();
    const parts = { clock: systemClock, logger: silentLogger, timing, signal };
    const { findings } = await checkPlace({ ...parts, url, flags, probe });
    expect(JSON.stringify(findings)).not.toContain(secret);
    for (const { level, repair } of findings)
      if (level === "warning" || level === "failure") expect(repair).toBeTruthy();
    return Object.fromEntries(findings.toReversed().map((finding) => [finding.check, finding]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The checks that failed. */
export function failures(findings: Readonly<Record<string, Finding>>): readonly string[] {
  return Object.values(findings).flatMap(({ check, level }) => (level === "failure" ? [check] : []));
}
