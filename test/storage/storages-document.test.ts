// Goal: docs/storages.md says of each storage what a user has to know, and names its parameters as they are. Method:
// its tables and sections are read, and compared with what each driver answers to a parameter that nobody knows.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openStorage } from "../../src/storage/registry.ts";

const document = readFileSync(new URL("../../docs/storages.md", import.meta.url), "utf8");
const shared = ["maxValueBytes", "pollMs", "probe", "timeoutMs"];

/** A URL of each driver, the first of its row, and the title of its section: so no driver has to be listed here. */
const drivers = Object.fromEntries(
  [...document.matchAll(/^\| `(([a-z0-9]+)(?:\+[a-z]+)?:[^`]*)`/gm)].map(([, url = "", name = ""]) => [name, url]),
);

async function known(url: string): Promise<readonly string[]> {
  const error: unknown = await openStorage(`${url}?nobodyKnowsThis=1`).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const [, names = ""] = /allowed are: (.*)$/.exec(error instanceof Error ? error.message : "") ?? [];
  return names.split(", ");
}

async function schemes(): Promise<readonly string[]> {
  const error: unknown = await openStorage("nobody-knows-this:").catch((thrown: unknown) => thrown);
  const [, names = ""] = /known are (.*)$/.exec(error instanceof Error ? error.message : "") ?? [];
  return names.split(", ");
}

/** The cells of the row whose first cell begins with a URL of that scheme. */
function rowOf(url: string): readonly string[] {
  const scheme = /^[a-z0-9]+/.exec(url)?.[0] ?? "";
  const row = document.split("\n").find((line) => line.startsWith(`| \`${scheme}`));
  return (row ?? "").split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim());
}

test("docs/storages.md shows every scheme that openStorage knows", async () => {
  const urls = Object.values(drivers)
    .flatMap((url) => rowOf(url)[0] ?? "")
    .join(" ");
  expect((await schemes()).length).toBeGreaterThan(6);
  for (const scheme of await schemes()) expect(urls).toContain(`\`${scheme}`);
});

describe.each(Object.entries(drivers))("docs/storages.md about %s", (name, url) => {
  test("names each of its parameters, and no other", async () => {
    const [, cell = ""] = rowOf(url);
    const named = [...cell.replaceAll(/\([^()]*\)/g, "").matchAll(/`([^`]+)`/g)].map(
      ([, parameter]) => parameter ?? "",
    );
    const all = await known(url);
    expect(all).toEqual(expect.arrayContaining(shared));
    expect(named.filter((parameter) => !all.includes(parameter))).toEqual([]);
    const own = all.filter((parameter) => !shared.includes(parameter));
    expect(own.filter((parameter) => !named.includes(parameter))).toEqual([]);
  });

  test("has every cell of its row filled", () => {
    const [head = ""] = document.split("\n").filter((line) => line.startsWith("| URL"));
    expect(rowOf(url)).toHaveLength(head.split(" | ").length);
    for (const cell of rowOf(url)) expect(cell).toMatch(/\w/);
  });

  test("tells its limits, rights, cost, settings and traps, and what it was tested with", () => {
    const section = document.split(/^## /m).find((text) => text.startsWith(`${name}\n`)) ?? "";
    for (const what of ["Limits", "Rights", "Cost", "Recommended settings", "Traps", "Tested"]) {
      expect(section, what).toMatch(new RegExp(`^- \\*\\*${what}`, "m"));
    }
  });
});
