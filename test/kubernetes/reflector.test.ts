// Goal: a reflector keeps its sink like the server, with as few requests as the rows of the list W allow. Method: the
// fake API server on a manual clock; each row by its name, with the requests and the changes that it stands for.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ReflectedCluster } from "./reflected-cluster.ts";

let it0: ReflectedCluster;

beforeEach(() => {
  it0 = new ReflectedCluster();
});

afterEach(async () => {
  await it0.stop();
  expect(it0.clock.timerCount, "timers that are left").toBe(0);
});

describe("the first list", () => {
  it("W-21 streams, is synced at its end bookmark only, and goes on as a watch", async () => {
    it0.put("a", 1);
    it0.put("b", 1);
    await it0.start();
    expect(it0.reflector.isSynced).toBe(true);
    expect(it0.shown).toEqual(["a=1", "b=1"]);
    it0.put("a", 2);
    it0.remove("b");
    it0.recreate("c");
    await it0.clock.advance();
    expect(it0.shown).toEqual(["a=2", "c"]);
    expect(it0.told).toEqual(["created a=1", "created b=1", "modified a=2", "deleted b=1", "created c"]);
    expect(it0.asked).toEqual(["watch sendInitialEvents=true"]);
    expect(it0.reflector.revision).toBe(it0.cluster.resourceVersion);
  });
});
