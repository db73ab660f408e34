// Goal: elections on Redis outlive a server that freezes, forgets or falls back, and hand over by push. Method: real
// servers that are stopped, killed and started again, with electors of this process.

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { RedisStorage } from "../../src/storage/redis.ts";
import { describeOn } from "./support/found-server.ts";
import { redisLibraries } from "./support/redis-harness.ts";
import { RedisProxy } from "./support/redis-proxy.ts";
import { askRedis, foundOwnRedis, startRedisServer } from "./support/redis-server.ts";
import { SeenElector, seenPace, seenProblems } from "./support/seen-elector.ts";
import type { ServerProcess } from "./support/server-process.ts";

const ends: AsyncDisposable[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end[Symbol.asyncDispose]();
});

function ending<T extends AsyncDisposable>(thing: T): T {
  ends.push(thing);
  return thing;
}

const [connect, other] = Object.values(redisLibraries);
if (connect === undefined || other === undefined) throw new Error("there are two libraries");

function contend(at: { host: string; port: number }, label: string, library = connect): SeenElector {
  if (library === undefined) throw new Error("there are two libraries");
  const storage = ending(new RedisStorage({ client: library(at, { pingMs: 300 }) }));
  return ending(new SeenElector(storage, { label }));
}

/** The one that leads, once one does. */
async function leaderOf(electors: readonly SeenElector[]): Promise<SeenElector> {
  await Promise.race(electors.map((elector) => elector.leads()));
  return electors.find(({ held }) => held) ?? expect.fail("nobody leads");
}

describeOn(foundOwnRedis, () => {
  test("#66: while the server is frozen the leader steps down by its own clock, and one leads after", async () => {
    const server = ending(await startRedisServer());
    const electors = [contend(server.place, "a"), contend(server.place, "b", other)];
    const leader = await leaderOf(electors);
    await pause(500);
    server.signal("SIGSTOP");
    const frozenMs = performance.now();
    await leader.until(() => !leader.held);
    expect(performance.now() - frozenMs).toBeLessThan(seenPace.renewDeadlineMs + 300);
    await pause(seenPace.leaseDurationMs + 2_000 - (performance.now() - frozenMs));
    expect(electors.map(({ held }) => held)).toEqual([false, false]);
    server.signal("SIGCONT");
    const next = await leaderOf(electors);
    await pause(1_500);
    expect(electors.filter(({ held }) => held)).toEqual([next]);
    expect(next.term).toBeGreaterThan(1);
    expect(seenProblems(electors)).toEqual([]);
  });

  /** Two electors that have seen a later term, on a Redis that is then restarted empty, and out of their reach. */
  const forgetful = async (): Promise<{
    server: ServerProcess;
    seen: SeenElector[];
    lostTerm: number;
    mend(): void;
  }> => {
    const server = ending(await startRedisServer({ settings: ["--save", "", "--appendonly", "no"] }));
    const target = { ...server.place };
    const proxy = ending(await RedisProxy.start(target));
    const at = { host: "127.0.0.1", port: proxy.port };
    const first = contend(at, "a");
    await first.leads();
    await first[Symbol.asyncDispose](); // a release, so that there is a term to lose
    const second = contend(at, "b", other);
    await second.leads();
    const watcher = contend(at, "c");
    await pause(700);
    const lostTerm = second.term;
    expect(lostTerm).toBeGreaterThan(1);
    target.port = 1;
    proxy.cutAll();
    await server.kill();
    await server.up();
    expect(await askRedis(server.place, "DBSIZE")).toBe(":0\r\n");
    return { server, seen: [second, watcher], lostTerm, mend: () => void (target.port = server.place.port) };
  };

  test("#64: a restart without persistence: who has seen the record goes on above its term, one at a time", async () => {
    const { seen, lostTerm, mend } = await forgetful();
    mend();
    await expect.poll(() => leaderTerm(seen), { timeout: 15_000 }).toBeGreaterThan(lostTerm);
    await pause(1_500);
    expect(seen.filter(({ held }) => held)).toHaveLength(1);
    expect(seenProblems(seen)).toEqual([]);
  });

  test("#64: a newcomer to an empty Redis begins at term 1; all others raise the alarm, and go on above theirs", async () => {
    const { server, seen, lostTerm, mend } = await forgetful();
    const newcomer = contend(server.place, "d", other);
    await newcomer.leads();
    expect(newcomer.term).toBe(1);
    await pause(seenPace.renewDeadlineMs); // so that whoever led before has stepped down
    mend();
    await Promise.all(seen.map((each) => each.until(() => each.alarms.includes("termRegression"))));
    expect(seen.map(({ held }) => held)).toEqual([false, false]);
    await newcomer[Symbol.asyncDispose]();
    await expect.poll(() => leaderTerm(seen), { timeout: 15_000 }).toBeGreaterThan(lostTerm);
    expect(seenProblems(seen)).toEqual([]);
  });

  test("#64: a failover to a replica that lagged: the smaller term is refused with an alarm, the next is above all", async () => {
    const primary = ending(await startRedisServer());
    const replica = ending(
      await startRedisServer({ settings: ["--replicaof", "127.0.0.1", String(primary.place.port)] }),
    );
    const target = { ...primary.place };
    const proxy = ending(await RedisProxy.start(target));
    const at = { host: "127.0.0.1", port: proxy.port };
    const first = contend(at, "a");
    await first.leads();
    await expect
      .poll(() => askRedis(replica.place, "EXISTS {tenure}:k:leases/test/lease"), { timeout: 10_000 })
      .toBe(":1\r\n");
    await askRedis(replica.place, "REPLICAOF NO ONE"); // what comes now, it has not got
    const standby = contend(at, "b", other);
    await pause(500);
    await first[Symbol.asyncDispose]();
    await standby.leads();
    const lostTerm = standby.term;
    expect(lostTerm).toBeGreaterThan(1);
    const third = contend(at, "c");
    await pause(700);
    target.port = replica.place.port;
    await primary.kill();
    proxy.cutAll();
    await alarmed([standby, third]);
    await expect.poll(() => leaderTerm([standby, third]), { timeout: 15_000 }).toBeGreaterThan(lostTerm);
    await pause(1_000);
    expect([standby, third].filter(({ held }) => held)).toHaveLength(1);
    expect(seenProblems([first, standby, third])).toEqual([]);
  });

  describe.each(Object.entries(redisLibraries))("through %s", (_name, library) => {
    let server: ServerProcess;
    beforeAll(async () => {
      server = await startRedisServer();
    });
    afterAll(() => server?.[Symbol.asyncDispose]());

    test("a standby sends nothing while the leader renews, and takes over by push with its one write", async () => {
      const proxy = ending(await RedisProxy.start(server.place));
      const leader = contend(server.place, "leader", library);
      await leader.leads();
      const standby = contend({ host: "127.0.0.1", port: proxy.port }, "standby", library);
      await expect.poll(() => proxy.seen.some((name) => name.toUpperCase() === "SUBSCRIBE")).toBe(true);
      await pause(500);
      const before = proxy.requests;
      await pause(3_000); // renewals
      expect(proxy.requests - before).toBe(0);
      const releasedMs = performance.now();
      await leader[Symbol.asyncDispose]();
      await standby.leads();
      expect((standby.terms[0]?.fromMs ?? Infinity) - (leader.terms[0]?.toMs ?? 0)).toBeLessThan(250);
      expect(performance.now() - releasedMs).toBeLessThan(500);
      expect(proxy.requests - before).toBe(1); // the take-over
      expect(seenProblems([leader, standby])).toEqual([]);
    });
  });
});

/** One of them has read the smaller term; when the others look, the next one may be there already. */
async function alarmed(electors: readonly SeenElector[]): Promise<void> {
  await Promise.any(electors.map((each) => each.until(() => each.alarms.includes("termRegression"))));
}

function leaderTerm(electors: readonly SeenElector[]): number {
  return electors.find(({ held }) => held)?.term ?? 0;
}
