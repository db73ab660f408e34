// Goal: what a doctor asks of a cluster is answered, changes nothing, and shows no secret when it fails. Method: a
// server on loopback that is scripted for each case, by a real KubeConfig of client-node.
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { ClusterQuestions } from "../../src/kubernetes/cluster-questions.ts";
import { systemClock } from "../../src/system/clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { billing, lease, ScriptedServer, sendJson, statusBody } from "./scripted-server.ts";

const token = "s3cret-t0ken";

function questionsOf(server: ScriptedServer): ClusterQuestions {
  const kubeConfig = server.kubeConfig({ token });
  return new ClusterQuestions({
    kubeConfig,
    allowExecCredentials: false,
    clock: systemClock,
    random: new SeededRandom(1),
  });
}

/** What a promise rejects with, which shows no secret. */
async function trouble(promise: Promise<unknown>): Promise<unknown> {
  const error: unknown = await promise.then(
    (value) => expect.unreachable(`resolved with ${inspect(value)}`),
    (thrown: unknown) => thrown,
  );
  expect(inspect(error)).not.toContain(token);
  return error;
}

describe("the server", () => {
  it("tells its version, and how far its clock is ahead, to half a second", async () => {
    await using server = await ScriptedServer.start();
    await using questions = questionsOf(server);
    const later = new Date(Date.now() + 3_600_000).toUTCString();
    server.answer = (_request, response) => sendJson(response, 200, { gitVersion: "v1.36.3" }, { date: later });
    const { version, aheadMs = 0, tookMs } = await questions.server();
    expect(version).toBe("v1.36.3");
    expect(Math.abs(aheadMs - 3_600_000)).toBeLessThan(1_000 + tookMs);
    expect(server.requests).toMatchObject([
      { method: "GET", url: "/version", headers: { authorization: `Bearer ${token}` } },
    ]);
  });

  it.each([403, 404])("that answers %i was reached all the same, and has no version", async (status) => {
    await using server = await ScriptedServer.start();
    await using questions = questionsOf(server);
    server.answer = (_request, response) => sendJson(response, status, statusBody(status, "NotSo"));
    expect(await questions.server()).toMatchObject({ version: undefined });
  });

  it("that refuses the credentials, or is not there, is trouble", async () => {
    await using server = await ScriptedServer.start();
    await using questions = questionsOf(server);
    server.answer = (_request, response) => sendJson(response, 401, statusBody(401, "Unauthorized"));
    const refused = await trouble(questions.server());
    expect(refused).toMatchObject({
      code: "ACCESS_DENIED",
      message: expect.stringContaining("the credentials are refused"),
    });
    await server.stop();
    expect(await trouble(questions.server({ timeoutMs: 100 }))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await server.listen();
  });
});

describe("rights", () => {
  it("are those of a rules review, and what is no text in there is left out", async () => {
    await using server = await ScriptedServer.start();
    await using questions = questionsOf(server);
    const rule = { verbs: ["get", 5], apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: ["a"] };
    const status = { resourceRules: [rule, { verbs: ["list"] }, null], incomplete: true, evaluationError: "a webhook" };
    server.answer = (_request, response) => sendJson(response, 201, { kind: "SelfSubjectRulesReview", status });
    expect(await questions.rights("jobs")).toEqual({
      incomplete: true,
      rules: [
        { ...rule, verbs: ["get"] },
        { verbs: ["list"], apiGroups: [], resources: [], resourceNames: [] },
        { verbs: [], apiGroups: [], resources: [], resourceNames: [] },
      ],
    });
    const [request] = server.requests;
    expect(request).toMatchObject({ method: "POST", url: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" });
    expect(JSON.parse(request?.body ?? "")).toMatchObject({
      kind: "SelfSubjectRulesReview",
      spec: { namespace: "jobs" },
    });
  });
});

describe("a dry run", () => {
  it("creates without a version and replaces with one, and asks for both that nothing is kept", async () => {
    await using server = await ScriptedServer.start();
    await using questions = questionsOf(server);
    const { resourceVersion: _version, ...metadata } = lease().metadata;
    await questions.dryRun(billing, { ...lease(), metadata });
    expect(await questions.dryRun(billing, lease())).toEqual(lease());
    const path = "/apis/coordination.k8s.io/v1/namespaces/jobs/leases";
    expect(server.requests).toMatchObject([
      { method: "POST", url: `${path}?dryRun=All` },
      { method: "PUT", url: `${path}/billing?dryRun=All` },
    ]);
  });

  it("loses a race without an error, and is refused with the rule that is missing", async () => {
    await using server = await ScriptedServer.start();
    await using questions = questionsOf(server);
    const here = { name: "billing", group: "coordination.k8s.io", kind: "leases" };
    server.answer = (_request, response) => sendJson(response, 409, statusBody(409, "Conflict", here));
    expect(await questions.dryRun(billing, lease())).toBeUndefined();
    server.answer = (_request, response) => sendJson(response, 403, statusBody(403, "Forbidden", here));
    const refused = await trouble(questions.dryRun(billing, lease()));
    expect(refused).toMatchObject({ code: "ACCESS_DENIED", message: expect.stringContaining('verbs: ["update"]') });
  });
});
