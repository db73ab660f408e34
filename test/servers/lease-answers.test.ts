// Goal: K-13: each answer that a real API server can be brought to give means what the table says, through our client
// and through client-node's API classes. Method: real causes on a server with RBAC on, one for each row.
import { CustomObjectsApi, Watch, type KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorCode } from "../../src/errors.ts";
import {
  fromCustomObjectsApi,
  type KubernetesClient,
  type KubernetesResource,
  type ResourceRef,
} from "../../src/kubernetes/index.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, foundOwnKube, startKube, type KubeServer } from "./support/kube-server.ts";
import { leaseRights, LeasePlace } from "./support/lease-place.ts";

const kinds = ["our client", "client-node's API classes"] as const;
type Kind = (typeof kinds)[number];

let kube: KubeServer;

async function connect(kind: Kind, kubeConfig: KubeConfig = kube.kubeConfig()): Promise<KubernetesClient> {
  if (kind === "our client") return kube.client(kubeConfig);
  return fromCustomObjectsApi(kubeConfig.makeApiClient(CustomObjectsApi), new Watch(kubeConfig));
}

/** What a call throws. */
function trouble(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (error: Record<string, unknown>) => error,
  );
}

function body(place: LeasePlace, spec: object = {}, metadata: object = {}): KubernetesResource {
  const { name, namespace } = place;
  const own = { name, namespace, ...metadata };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: own, spec: { holderIdentity: "a", ...spec } };
}

/** A Lease that is there, in a namespace of its own. */
async function stored(): Promise<{ place: LeasePlace; ref: ResourceRef; lease: KubernetesResource }> {
  const place = await LeasePlace.make(kube);
  return { place, ref: place.ref, lease: await place.put({ spec: { holderIdentity: "first" } }) };
}

/** As long as a Lease hangs in it by a finalizer, a namespace that is deleted stays, on any cluster. */
async function dying(): Promise<{ place: LeasePlace; ref: ResourceRef; end: () => Promise<void> }> {
  const place = await LeasePlace.make(kube);
  const metadata = { name: place.name, namespace: place.namespace, finalizers: ["tenure.test/hold"] };
  await place.put({ metadata });
  await kube.ask("DELETE", `/api/v1/namespaces/${place.namespace}`);
  const end = async (): Promise<void> => {
    await kube.ask("PATCH", place.path, { body: { metadata: { finalizers: null } } });
  };
  return { place, ref: place.ref, end };
}

const unreadable = { code: "INVALID_SETTINGS", applied: "no" };

describeOn(foundKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  describe.each(kinds)("K-13 through %s", (kind) => {
    test("409 AlreadyExists: somebody created it first", async () => {
      const { place, ref } = await stored();
      const client = await connect(kind);
      expect(await client.create(ref, body(place))).toEqual({ written: false });
    });

    test("409 Conflict: a version that moved, a label edit too, and a foreign uid", async () => {
      const { place, ref, lease } = await stored();
      const client = await connect(kind);
      await kube.ask("PATCH", place.path, { body: { metadata: { labels: { edited: "yes" } } } });
      expect(await client.replace(ref, lease)).toEqual({ written: false });
      const { uid, resourceVersion } = (await place.stored()).metadata ?? {};
      const foreign = { uid: "11111111-2222-4333-8444-555555555555", resourceVersion };
      expect(await client.replace(ref, body(place, {}, foreign))).toEqual({ written: false });
      const patch = { metadata: { uid, resourceVersion: lease.metadata?.resourceVersion } };
      expect(await client.patch(ref, patch)).toEqual({ written: false });
    });

    test("409 Conflict: a Lease that is gone; no write by PUT creates it again", async () => {
      const { place, ref, lease } = await stored();
      const client = await connect(kind);
      await kube.ask("DELETE", place.path);
      expect(await client.replace(ref, lease)).toEqual({ written: false });
      expect(await client.read(ref)).toBeUndefined();
    });

    test("404 of this resource: absent, in a missing namespace too; gone on a PATCH", async () => {
      const { ref } = await stored();
      const client = await connect(kind);
      expect(await client.read({ ...ref, name: "nobody" })).toBeUndefined();
      expect(await client.read({ ...ref, namespace: "tenure-nowhere" })).toBeUndefined();
      expect(await client.patch({ ...ref, name: "nobody" }, { spec: {} })).toEqual({ written: false });
    });

    test("404 of the namespace: a creation says which is missing", async () => {
      const { place, ref } = await stored();
      const client = await connect(kind);
      const nowhere = { ...ref, namespace: "tenure-nowhere" };
      const error = await trouble(client.create(nowhere, body(place, {}, { namespace: "tenure-nowhere" })));
      expect(error).toMatchObject({ ...unreadable, status: 404 });
      expect(String(error["message"])).toContain('the namespace "tenure-nowhere" does not exist');
    });

    test("404 of the type: a group, version or plural that is not served", async () => {
      const { place, ref } = await stored();
      const client = await connect(kind);
      for (const other of [{ group: "nobody.example.com" }, { version: "v9" }, { plural: "charters" }]) {
        const read = await trouble(client.read({ ...ref, ...other }));
        expect(read).toMatchObject({ code: "INVALID_SETTINGS", status: 404 });
        expect(String(read["message"])).toMatch(/does not serve .* apply/);
        expect(await trouble(client.create({ ...ref, ...other }, body(place)))).toMatchObject(unreadable);
      }
    });

    test("422 metadata.uid: a PATCH of one that was created again under its name", async () => {
      const { place, ref, lease } = await stored();
      const client = await connect(kind);
      await kube.ask("DELETE", place.path);
      const again = await place.put({ spec: { holderIdentity: "second" } });
      const { resourceVersion } = again.metadata ?? {};
      const patch = { metadata: { uid: lease.metadata?.uid, resourceVersion }, spec: { holderIdentity: "late" } };
      expect(await client.patch(ref, patch)).toEqual({ written: false });
      expect(await place.stored()).toMatchObject({ spec: { holderIdentity: "second" } });
    });

    test("400 and 422: a body that is refused, with the field that the server names", async () => {
      const { place, ref } = await stored();
      const client = await connect(kind);
      const other = { name: "other" };
      const short = await trouble(client.create(ref, body(place, { renewTime: "2026-11-21T09:33:00.001Z" }, other)));
      expect(short).toMatchObject({ ...unreadable, status: 400 });
      const zero = await trouble(client.create(ref, body(place, { leaseDurationSeconds: 0 }, other)));
      expect(zero).toMatchObject({ ...unreadable, status: 422 });
      expect(String(zero["message"])).toContain("spec.leaseDurationSeconds");
      expect(await client.read({ ...ref, name: "other" })).toBeUndefined();
    });

    test("401: credentials that are refused, which no error repeats", async () => {
      const { place, ref } = await stored();
      const secret = "a-token-that-nobody-gave";
      const stranger = kube.kubeConfig();
      stranger.users = stranger.users.map(({ name }) => ({ name, token: secret }));
      const client = await connect(kind, stranger);
      const read = await trouble(client.read(ref));
      expect(read).toMatchObject({ code: "ACCESS_DENIED", status: 401 });
      const write = await trouble(client.create(ref, body(place)));
      expect(write).toMatchObject({ code: "ACCESS_DENIED", status: 401, applied: "no" });
      expect(JSON.stringify([read, write]) + String(read["stack"]) + String(write["stack"])).not.toContain(secret);
    });

    test("403: each right that is missing, and the rule that would grant it", async () => {
      const { place, ref, lease } = await stored();
      const client = await connect(kind, await place.candidate([]));
      const signal = new AbortController().signal;
      const watched = client.watch(ref, {}, { signal })[Symbol.asyncIterator]();
      const calls: readonly (readonly [verb: string, limited: boolean, call: () => Promise<unknown>])[] = [
        ["get", true, () => client.read(ref)],
        ["create", false, () => client.create(ref, body(place))],
        ["update", true, () => client.replace(ref, lease)],
        ["patch", true, () => client.patch(ref, { spec: {} })],
        ["list", false, () => client.list(ref, {})],
        ["watch", false, () => watched.next()],
      ];
      for (const [verb, limited, call] of calls) {
        const error = await trouble(call());
        expect(error, verb).toMatchObject({ code: "ACCESS_DENIED", status: 403 });
        const rule = `apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["${verb}"]`;
        expect(String(error["message"]), verb).toContain(rule);
        if (limited) expect(String(error["message"])).toContain('resourceNames: ["billing"]');
      }
      expect(await place.stored()).toEqual(lease);
    });

    test("403 NamespaceTerminating: nothing is created in a namespace that is being deleted; updates pass", async () => {
      const { place, ref, end } = await dying();
      const client = await connect(kind);
      const late = body(place, {}, { name: "late" });
      const error = await trouble(client.create(ref, late));
      expect(error).toMatchObject({ ...unreadable, status: 403 });
      expect(String(error["message"])).toContain("the namespace is being deleted");
      const lease = (await client.read(ref)) ?? expect.fail("the Lease is gone");
      expect(await client.replace(ref, { ...lease, spec: { holderIdentity: "b" } })).toMatchObject({ written: true });
      await end();
    });
  });
});

// A server that soon gives up what etcd does not answer.
const flags = ["--request-timeout=2s"];

describeOn(foundOwnKube, () => {
  beforeAll(async () => {
    kube = await startKube({ flags });
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  describe.each(kinds)("K-13 through %s, by an administrator's doing", (kind) => {
    test("429: throttled before anything was done", async () => {
      const { place, ref, lease } = await stored();
      const candidate = await place.candidate();
      const release = await throttle(`system:serviceaccount:${place.namespace}:${candidate.getCurrentUser()?.name}`);
      const client = await connect(kind, candidate);
      // One at a time gets through: 20 at once do not.
      const crowd = async (): Promise<unknown> => {
        const calls = await Promise.allSettled(Array.from({ length: 20 }, () => client.replace(ref, lease)));
        return calls.find((call) => call.status === "rejected")?.reason;
      };
      await expect
        .poll(crowd, { timeout: 10_000 })
        .toMatchObject({ code: "STORAGE_UNAVAILABLE", status: 429, applied: "no", retryAfterMs: expect.any(Number) });
      await release();
    });

    test("410 on a list: history is gone", async () => {
      const { place, ref } = await stored();
      const client = await connect(kind);
      const { resourceVersion } = await client.list(ref, {});
      await kube.ask("PATCH", place.path, { body: { spec: { holderIdentity: "b" } } });
      await compact(Number(resourceVersion) + 1);
      await kube.restartApiServer(); // its memory would still serve that version
      const page = client.list(ref, { resourceVersion, resourceVersionMatch: "Exact" });
      expect(await trouble(page)).toMatchObject({ status: 410 });
    });
  });

  test.each(kinds)("K-13: 5xx of a server whose etcd stands: a write is unknown, through %s", async (kind) => {
    const { ref, lease } = await stored();
    const client = await connect(kind);
    const { etcd } = kube.own();
    etcd.stop();
    const write = trouble(client.replace(ref, { ...lease, spec: { holderIdentity: "b" } }, { timeoutMs: 20_000 }));
    expect(await write).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", status: 504 });
    const read = await trouble(client.read(ref, { timeoutMs: 5_000 }));
    etcd.cont();
    expect(read).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await expect.poll(() => client.read(ref).catch(() => undefined), { timeout: 10_000 }).toBeDefined();
  });

  test.each(kinds)(
    "K-13: nothing is sent to a server that is not there: a write had no effect, through %s",
    async (kind) => {
      const { place, ref, lease } = await stored();
      const kubeConfig = await place.candidate(leaseRights);
      const client = await connect(kind, kubeConfig);
      const { apiServer } = kube.own();
      await apiServer.kill();
      const late = { timeoutMs: 500 };
      expect(await trouble(client.replace(ref, lease, late))).toMatchObject({
        code: "STORAGE_UNAVAILABLE",
        applied: "no",
      });
      expect(errorCode(await trouble(client.read(ref, late)))).toBe("STORAGE_UNAVAILABLE");
      await apiServer.up();
      await expect.poll(() => client.read(ref).catch(() => undefined), { timeout: 10_000 }).toEqual(lease);
    },
  );
});

/** Puts a user into a priority level that has one seat, and no queue before it. */
async function throttle(user: string): Promise<() => Promise<void>> {
  const name = `tenure-${user.slice(-36)}`;
  const api = "/apis/flowcontrol.apiserver.k8s.io/v1";
  const apiVersion = "flowcontrol.apiserver.k8s.io/v1";
  const limited = { nominalConcurrencyShares: 0, limitResponse: { type: "Reject" }, lendablePercent: 0 };
  const borrowing = { ...limited, borrowingLimitPercent: 0 };
  await kube.make(`${api}/prioritylevelconfigurations`, {
    ...{
      apiVersion,
      kind: "PriorityLevelConfiguration",
      metadata: { name },
      spec: { type: "Limited", limited: borrowing },
    },
  });
  const subjects = [{ kind: "User", user: { name: user } }];
  const resourceRules = [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"] }];
  const rules = [{ subjects, resourceRules }];
  const spec = { priorityLevelConfiguration: { name }, matchingPrecedence: 2, rules };
  await kube.make(`${api}/flowschemas`, { apiVersion, kind: "FlowSchema", metadata: { name }, spec });
  return async () => {
    await kube.ask("DELETE", `${api}/flowschemas/${name}`);
    await kube.ask("DELETE", `${api}/prioritylevelconfigurations/${name}`);
  };
}

/** Lets etcd forget all versions before this one. */
async function compact(revision: number): Promise<void> {
  const { host, port } = kube.own().etcd.place;
  const body = JSON.stringify({ revision: String(revision), physical: true });
  const answer = await fetch(`http://${host}:${port}/v3/kv/compaction`, { method: "POST", body });
  if (!answer.ok) throw new Error(`compaction: ${answer.status} ${await answer.text()}`);
}
