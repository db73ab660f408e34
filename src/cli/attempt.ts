import { errorCode } from "../errors.ts";
import type { Finding } from "./findings.ts";

/** What a check was after, or a finding that says why it could not be had, with its repair. */
export async function attempt<T extends object>(
  check: string,
  call: () => Promise<T>,
  ownRepairs: Readonly<Record<string, string>> = {},
): Promise<T | Finding> {
  try {
    return await call();
  } catch (error) {
    const code = errorCode(error);
    if (code === "USAGE") throw error; // not of the place, but of the command line
    const found = error instanceof Error ? error.message : String(error);
    const repair = { ...repairs, ...ownRepairs }[code ?? ""] ?? "make the storage answer, then look again";
    return { check, level: "failure", found, repair, ...(code !== undefined && { code }) };
  }
}

const repairs: Readonly<Record<string, string>> = {
  INVALID_SETTINGS: "correct the URL",
  ACCESS_DENIED: "grant the right that is named",
  PACKAGE_MISSING: "install the package that is named",
  UNSAFE_STORAGE: "choose another storage: on this one two may lead at once",
};
