// Goal: the result goes to stdout and nothing else does, secrets are masked, colour never carries meaning alone.
// Method: an Output over a stream in memory, with all that decides about colour given in.
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { exitCodeOf, signalExitCode } from "../../src/cli/exit-codes.ts";
import { Log } from "../../src/cli/log.ts";
import { maskSecrets } from "../../src/cli/masks.ts";
import { isoTime, Output } from "../../src/cli/output.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { AccessDeniedError, InvalidKeyError, NotFoundError, StorageUnavailableError } from "../../src/errors.ts";

class Memory extends Writable {
  text = "";
  readonly isTTY: boolean;
  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

function output({ isTTY = false, environment = {}, json = false, colour }: Partial<Settings> = {}): [Output, Memory] {
  const memory = new Memory(isTTY);
  return [new Output({ stdout: () => memory, log: new Log(), environment, json, colour }), memory];
}

interface Settings {
  readonly isTTY: boolean;
  readonly environment: Record<string, string>;
  readonly json: boolean;
  readonly colour: boolean | undefined;
}

describe("the result", () => {
  it("is not opened before it is needed", () => {
    const result = new Output({
      stdout: () => {
        throw new Error("opened");
      },
      log: new Log(),
      environment: {},
      json: false,
      colour: undefined,
    });
    expect(result.json).toBe(false);
  });

  it("as JSON has a schema, keeps its shape, and is on one line if it is one of many", () => {
    const [result, memory] = output({ json: true });
    result.document({ leases: [] });
    expect(JSON.parse(memory.text)).toEqual({ schema: 1, leases: [] });
    memory.text = "";
    result.document({ a: [1, 2] }, { oneLine: true });
    expect(memory.text).toBe('{"schema":1,"a":[1,2]}\n');
  });

  it("in columns is aligned, also where cells are coloured", () => {
    const [result, memory] = output({ colour: true });
    result.table(["NAME", "STATE"], [["billing", result.paint("green", "● live")]]);
    // oxlint-disable-next-line no-control-regex -- colours are control sequences
    const plain = memory.text.replace(/\u001b\[\d+m/g, "");
    expect(plain).toBe("NAME     STATE\nbilling  ● live\n");
  });

  it("has times in ISO form with milliseconds", () => {
    expect(isoTime(Date.UTC(2026, 2, 1, 9, 30, 0, 7))).toBe("2026-03-01T09:30:00.007Z");
  });
});

describe("colour", () => {
  const coloured = (settings: Partial<Settings>): boolean => output(settings)[0].paint("red", "x") !== "x";
  it.each<[string, Partial<Settings>, boolean]>([
    ["on a terminal", { isTTY: true }, true],
    ["not without one", {}, false],
    ["not with NO_COLOR", { isTTY: true, environment: { NO_COLOR: "1" } }, false],
    ["with an empty NO_COLOR", { isTTY: true, environment: { NO_COLOR: "" } }, true],
    ["not with TERM=dumb", { isTTY: true, environment: { TERM: "dumb" } }, false],
    ["with FORCE_COLOR, also with NO_COLOR", { environment: { FORCE_COLOR: "1", NO_COLOR: "1" } }, true],
    ["not with FORCE_COLOR=0", { isTTY: true, environment: { FORCE_COLOR: "0" } }, false],
    ["with --color above all", { colour: true, environment: { NO_COLOR: "1" } }, true],
    ["not with --no-color", { colour: false, isTTY: true, environment: { FORCE_COLOR: "1" } }, false],
    ["never in JSON", { json: true, colour: true }, false],
  ])("is there %s", (_name, settings, expected) => {
    expect(coloured(settings)).toBe(expected);
  });
});

describe("secrets", () => {
  it.each([
    ["redis://user:pw@host/0", "redis://***@host/0"],
    ["at postgres://u:p%40x@h:5432/db?a=1 failed", "at postgres://***@h:5432/db?a=1 failed"],
    ["redis://u:p@ss/w@host", "redis://***@host"],
    ["https://h/o?X-Amz-Signature=abc&x=1", "https://h/o?X-Amz-Signature=***&x=1"],
    ["s3://b/p?secret=abc", "s3://b/p?secret=***"],
    ["?sslpassword=abc&user=me", "?sslpassword=***&user=me"],
    ["file:///srv/a@b", "file:///srv/a@b"],
    ["billing_0b7e", "billing_0b7e"],
  ])("%s is shown as %s", (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  it("are masked in lines, documents and tables", () => {
    const [result, memory] = output();
    result.line("redis://u:hunter2@h");
    result.document({ storage: "redis://u:hunter2@h", deep: [{ url: "s3://x?token=hunter2" }] });
    result.table(["A"], [["redis://u:hunter2@h"]]);
    expect(memory.text).not.toContain("hunter2");
    expect(memory.text).toContain("***@h");
  });
});

describe("exit codes", () => {
  it.each<[number, unknown]>([
    [1, new Error("x")],
    [1, new StorageUnavailableError("x")],
    [1, undefined],
    [2, new UsageError("x")],
    [2, new InvalidKeyError("x")],
    [3, new NotFoundError("x")],
    [5, new AccessDeniedError("x")],
  ])("%d stands for %s", (code, error) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it("of signals are 128 and the number", () => {
    expect([signalExitCode("SIGINT"), signalExitCode("SIGTERM"), signalExitCode("SIGHUP")]).toEqual([130, 143, 129]);
  });
});
