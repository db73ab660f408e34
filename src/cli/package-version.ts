import { readFile } from "node:fs/promises";

/** The version in `package.json`. */
export async function packageVersion(): Promise<string> {
  const found: unknown = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  return String(Reflect.get(Object(found), "version"));
}
