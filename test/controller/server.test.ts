// Goal: probes tell the truth to a cluster that restarts what is unwell, and nothing else is served. Method: a real
// server on loopback over a controller whose state a test sets.
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControllerServer, type ServedController } from "../../src/controller/server.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

let clock: ManualClock;
let server: ControllerServer;
let root: string;
let controller: { -readonly [K in keyof ServedController]: ServedController[K] };

beforeEach(async () => {
  clock = new ManualClock();
  controller = { turnedMs: 0, isSynced: true, isStopping: false, storageAnsweredMs: 0, metricsText: () => "own 1\n" };
  server = new ControllerServer({ controller, clock, moreMetrics: () => "more 2\n" });
  root = `http://127.0.0.1:${await server.listen({ host: "127.0.0.1", port: 0 })}`;
});

afterEach(() => server.close());

async function ask(path: string, method = "GET"): Promise<{ status: number; text: string; type: string | null }> {
  const response = await fetch(root + path, { method });
  return { status: response.status, text: await response.text(), type: response.headers.get("content-type") };
}

test("K-84: /healthz is fine while the loop turns", async () => {
  expect(await ask("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
  clock.pause(30_000);
  expect((await ask("/healthz?x=1")).status).toBe(200);
  clock.pause(1);
  expect(await ask("/healthz")).toMatchObject({ status: 503, text: "the loop has not turned for 30 s\n" });
  controller.turnedMs = undefined;
  expect((await ask("/healthz")).status).toBe(503);
});

test("K-84: /readyz wants the list, an answer of the storage within 30 s, and no stop", async () => {
  expect((await ask("/readyz")).status).toBe(200);
  controller.isSynced = false;
  expect(await ask("/readyz")).toMatchObject({ status: 503, text: expect.stringContaining("not listed yet") });
  controller.isSynced = true;
  controller.isStopping = true;
  expect(await ask("/readyz")).toMatchObject({ status: 503, text: "stopping\n" });
  controller.isStopping = false;
  clock.pause(30_001);
  expect(await ask("/readyz")).toMatchObject({
    status: 503,
    text: expect.stringContaining("storage has not answered"),
  });
  controller.storageAnsweredMs = clock.monotonicMs();
  expect((await ask("/readyz")).status).toBe(200);
});

test("K-84: /metrics is Prometheus' text, of the controller and of its election", async () => {
  expect(await ask("/metrics")).toEqual({
    status: 200,
    text: "own 1\nmore 2\n",
    type: "text/plain; version=0.0.4; charset=utf-8",
  });
});

test("K-84: no other path, and nothing but reading", async () => {
  for (const path of ["/", "/resign", "/healthz/", "/metrics/../healthz2", "/debug/pprof"])
    expect((await ask(path)).status).toBe(404);
  for (const method of ["POST", "PUT", "DELETE"]) expect((await ask("/healthz", method)).status).toBe(405);
  expect(await ask("/healthz", "HEAD")).toMatchObject({ status: 200, text: "" });
});
