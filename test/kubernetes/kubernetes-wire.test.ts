// Goal: K-12: every request is exactly the one that the API describes: method, path, query, headers, body. Method: nock
// answers nothing but that request, and fails on any other.
import nock from "nock";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";
import type { KubernetesClient, WatchEvent } from "../../src/kubernetes/kubernetes-resources.ts";
import { billing, lease, leases } from "./scripted-server.ts";

const root = "https://api.example.test:6443";
const path = "/apis/coordination.k8s.io/v1/namespaces/jobs/leases";
const kubeConfig = {
  getCurrentCluster: () => ({ server: `${root}/` }),
  applyToHTTPSOptions: (options: { headers?: unknown }) => {
    Object.assign(options.headers as object, { Authorization: "Bearer t0ken" });
    return Promise.resolve();
  },
};
const reading = { accept: "application/json", authorization: "Bearer t0ken", "user-agent": "tenure" };
let client: KubernetesClient;

beforeEach(async () => {
  nock.disableNetConnect();
  client = await openKubernetesClient({ kubeConfig });
});
afterEach(async () => {
  await client.close();
  const rest = nock.pendingMocks();
  nock.cleanAll();
  nock.enableNetConnect();
  expect(rest).toEqual([]);
});

/** The headers with which the one request of `scope` comes, but those of the connection. */
function headersOf(scope: nock.Scope): Record<string, string> {
  const found: Record<string, string> = {};
  scope.on("request", ({ headers }: { readonly headers: Headers }) => {
    for (const [name, value] of headers) if (!/^(host|connection)$/i.test(name)) found[name] = value;
  });
  return found;
}

describe("K-12 requests on the wire", () => {
  it("K-12 reads with GET and no query", async () => {
    const headers = headersOf(nock(root).get(`${path}/billing`).reply(200, lease()));
    expect(await client.read(billing)).toEqual(lease());
    expect(headers).toEqual(reading);
  });

  const body = lease({ holderIdentity: "ü", renewTime: "2026-01-01T00:00:00.000001Z" });
  const text = JSON.stringify(body);
  const writing = { ...reading, "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) };
  const writes = [
    ["creates with POST to the collection", "post", path, writing, () => client.create(leases, body)],
    ["replaces with PUT", "put", `${path}/billing`, writing, () => client.replace(billing, body)],
    [
      "patches with PATCH as a merge patch",
      "patch",
      `${path}/billing`,
      { ...writing, "content-type": "application/merge-patch+json" },
      () => client.patch(billing, body),
    ],
    [
      "patches the status as a subresource",
      "patch",
      `${path}/billing/status`,
      { ...writing, "content-type": "application/merge-patch+json" },
      () => client.patch(billing, body, { subresource: "status" }),
    ],
  ] as const;
  for (const [name, method, where, expected, write] of writes) {
    it(`K-12 ${name}`, async () => {
      const request = nock(root)[method](where, (found) => JSON.stringify(found) === text);
      const sent = headersOf(request.reply(200, lease({}, { resourceVersion: "8" })));
      expect(await write()).toEqual({ written: true, resource: lease({}, { resourceVersion: "8" }) });
      expect(sent).toEqual(expected);
    });
  }

  it("K-12 lists with selectors, limit, token and version", async () => {
    const query = { labelSelector: "a=b,c", fieldSelector: "metadata.name=x", limit: 500, continue: "t/+=" } as const;
    const versioned = { ...query, resourceVersion: "0", resourceVersionMatch: "NotOlderThan" } as const;
    nock(root)
      .get(path)
      .query({ ...versioned, limit: "500" })
      .reply(200, { metadata: { resourceVersion: "12", continue: "next" }, items: [lease()] });
    const page = await client.list(leases, versioned);
    expect(page).toEqual({ items: [lease()], resourceVersion: "12", continue: "next" });
    nock(root)
      .get(path)
      .reply(200, { metadata: { resourceVersion: "12", continue: "" }, items: null });
    expect(await client.list(leases, {})).toEqual({ items: [], resourceVersion: "12", continue: undefined });
  });

  it("K-12 reaches the core group, cluster-scoped kinds, and a server behind a path", async () => {
    nock(root).get("/api/v1/namespaces/jobs/configmaps/billing").reply(200, lease());
    const core = { group: "", version: "v1", plural: "configmaps", namespace: "jobs", name: "billing" };
    expect(await client.read(core)).toEqual(lease());
    nock(root)
      .get("/api/v1/nodes")
      .reply(200, { metadata: { resourceVersion: "1" }, items: [] });
    await client.list({ group: "", version: "v1", plural: "nodes", namespace: "" }, {});
    const server = `https://user:word@gateway.example.test/clusters/one/`;
    await using behind = await openKubernetesClient({
      kubeConfig: { ...kubeConfig, getCurrentCluster: () => ({ server }) },
    });
    nock("https://gateway.example.test").get(`/clusters/one${path}/billing`).reply(200, lease());
    expect(await behind.read(billing)).toEqual(lease());
    expect(behind.description).toBe("https://gateway.example.test/clusters/one");
  });

  it("K-12 watches with bookmarks, a selector and a time-out", async () => {
    const query = { fieldSelector: "metadata.name=billing", allowWatchBookmarks: true, timeoutSeconds: 321 };
    const event = { type: "ADDED", object: lease() };
    nock(root)
      .get(path)
      .query({
        fieldSelector: "metadata.name=billing",
        allowWatchBookmarks: "true",
        timeoutSeconds: "321",
        watch: "true",
      })
      .reply(200, `${JSON.stringify(event)}\n`);
    const events: WatchEvent[] = [];
    for await (const seen of client.watch(leases, query, { signal: new AbortController().signal })) events.push(seen);
    expect(events).toEqual([event]);
  });
});
