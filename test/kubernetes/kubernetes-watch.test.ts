// Goal: the watch lines of a client: whole events, in order, within their bound, slowed by a slow reader, ended by the
// server or the signal. Method: a scripted server on loopback writes lines in odd pieces.
import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { errorCode } from "../../src/errors.ts";
import { maxResourceBytes } from "../../src/kubernetes/kubernetes-answers.ts";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";
import { kubernetesLines } from "../../src/kubernetes/kubernetes-lines.ts";
import type { WatchEvent } from "../../src/kubernetes/kubernetes-resources.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { lease, leases, ScriptedServer, sendJson, statusBody } from "./scripted-server.ts";

const event = (version: string): string =>
  `${JSON.stringify({ type: "MODIFIED", object: lease({}, { resourceVersion: version, labels: { é: "ü" } }) })}\n`;
const never = new AbortController().signal;

/** What a watch tells of what the server does, and how it ends. */
async function told(answer: (response: ServerResponse) => void): Promise<readonly string[]> {
  await using server = await ScriptedServer.start();
  server.answer = (_request, response) => answer(response);
  await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
  const seen: string[] = [];
  try {
    for await (const { type, object } of client.watch(leases, {}, { signal: never })) {
      seen.push(`${type} ${object.metadata?.resourceVersion ?? String(object["code"])}`);
    }
    return [...seen, "ended"];
  } catch (error) {
    return [...seen, errorCode(error) ?? "no code"];
  }
}

describe("a watch", () => {
  it("K-12 tells each line once, however it is cut, and ends when the server ends it", async () => {
    const bytes = Buffer.from(`${event("1")}\n${event("2")}${event("3")}`);
    const pieces = await told((response) => {
      for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7));
      response.end();
    });
    expect(pieces).toEqual(["MODIFIED 1", "MODIFIED 2", "MODIFIED 3", "ended"]);
  });

  it("K-13 passes an ERROR of a 200 on as an event, and throws what answers the opening", async () => {
    const gone = `${JSON.stringify({ type: "ERROR", object: statusBody(410, "Expired") })}\n`;
    expect(await told((response) => response.end(gone))).toEqual(["ERROR 410", "ended"]);
    const refused = (status: number) => (response: ServerResponse) =>
      sendJson(response, status, statusBody(status, "x"));
    expect(await told(refused(403))).toEqual(["ACCESS_DENIED"]);
    expect(await told(refused(410))).toEqual(["STORAGE_UNAVAILABLE"]);
    expect(await told(refused(401))).toEqual(["ACCESS_DENIED"]);
  });

  it("skips a type that did not exist, and breaks at a line that may hide a change", async () => {
    const later = `${JSON.stringify({ type: "LATER", object: lease() })}\n`;
    expect(await told((response) => response.end(later + event("2")))).toEqual(["MODIFIED 2", "ended"]);
    for (const bad of ["no json\n", "7\n", '{"type":"ADDED"}\n', event("9").slice(0, -9)]) {
      expect(await told((response) => response.end(event("1") + bad))).toEqual(["MODIFIED 1", "STORAGE_UNAVAILABLE"]);
    }
    expect(await told((response) => void response.write(event("1"), () => response.destroy()))).toEqual([
      "MODIFIED 1",
      "STORAGE_UNAVAILABLE",
    ]);
  });

  it("K-5 refuses a line above the bound while it is read", async () => {
    let written = 0;
    const outcome = await told((response) => {
      response.write(event("1"));
      const more = (): void => {
        while (!response.destroyed && written < 64 * 2 ** 20) {
          written += 2 ** 16;
          if (!response.write("x".repeat(2 ** 16))) return void response.once("drain", more);
        }
      };
      more();
    });
    expect(outcome).toEqual(["MODIFIED 1", "STORAGE_UNAVAILABLE"]);
    expect(written).toBeGreaterThan(maxResourceBytes);
    expect(written).toBeLessThan(16 * 2 ** 20);
  });

  it("K-5 takes a line of exactly the bound, and tells none that is longer or not whole", async () => {
    const lines = async (...pieces: string[]): Promise<readonly (string | undefined)[]> => {
      const source = (async function* () {
        for (const piece of pieces) yield await Promise.resolve(Buffer.from(piece));
      })();
      const found: (string | undefined)[] = [];
      for await (const line of kubernetesLines(source, 4)) found.push(line);
      return found;
    };
    expect(await lines("abcd\nab", "cd", "\r\n\n", "a\n")).toEqual(["abcd", undefined]);
    expect(await lines("abcd\nab", "cd", "\n", "a\n")).toEqual(["abcd", "abcd", "a"]);
    expect(await lines("abcde\nab\n")).toEqual([undefined]);
    expect(await lines("ab\nabc", "de")).toEqual(["ab", undefined]);
    expect(await lines("ab\nabc")).toEqual(["ab", undefined]);
    expect(await lines()).toEqual([]);
  });

  it("a slow reader slows the server", async () => {
    await using server = await ScriptedServer.start();
    const line = Buffer.from(
      event("1")
        .trimEnd()
        .padEnd(2 ** 16) + "\n",
    );
    let written = 0;
    server.answer = (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && written < 64 * 2 ** 20) {
          written += line.length;
          if (!response.write(line)) return void response.once("drain", more);
        }
      };
      more();
    };
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    const controller = new AbortController();
    const watch = client.watch(leases, {}, { signal: controller.signal })[Symbol.asyncIterator]();
    await watch.next();
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(written).toBeLessThan(32 * 2 ** 20);
    controller.abort();
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  it("K-4 ends without an error when its signal falls, also before, and its socket is destroyed", async () => {
    await using server = await ScriptedServer.start();
    server.answer = (_request, response) => void response.write(event("1"));
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    const controller = new AbortController();
    const seen: WatchEvent[] = [];
    for await (const one of client.watch(leases, {}, { signal: controller.signal })) {
      seen.push(one);
      queueMicrotask(() => controller.abort());
    }
    expect(seen).toHaveLength(1);
    while (server.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    for await (const one of client.watch(leases, {}, { signal: controller.signal })) seen.push(one);
    expect([seen.length, server.requests.length]).toEqual([1, 1]);
  });

  it("K-4 an opening has a deadline, the events after it have none", async () => {
    await using server = await ScriptedServer.start();
    const clock = new ManualClock();
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig(), clock });
    server.answer = () => {};
    const watch = client.watch(leases, {}, { signal: never })[Symbol.asyncIterator]();
    const opening = watch.next().catch((error: unknown) => error);
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await clock.advance(10_000);
    expect(errorCode(await opening)).toBe("STORAGE_UNAVAILABLE");
    let later = (): void => {};
    server.answer = (_request, response) => {
      response.write(event("1"));
      later = () => response.end(event("2"));
    };
    const events = client.watch(leases, {}, { signal: never })[Symbol.asyncIterator]();
    await events.next();
    await clock.advance(600_000);
    later();
    expect(await events.next()).toMatchObject({ value: { type: "MODIFIED" } });
    expect(await events.next()).toMatchObject({ done: true });
  });
});
