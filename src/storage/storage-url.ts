import { InvalidSettingsError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import { sharedParameters, parseParameter, type ParameterTable, type ParameterValues } from "./url-parameters.ts";

/** User info of a URL. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * A storage URL, taken apart: `scheme:path?parameters`, or `scheme://host/path?parameters`. User info is taken out at
 * once, is handed to the driver by `credentials()` only, and is shown by nothing.
 */
export class StorageUrl {
  /** In lower case, without the colon. */
  readonly scheme: string;
  /** Name and port as written, or `""`. */
  readonly host: string;
  /** Decoded; with its leading slash, if it has one. */
  readonly path: string;
  #probe: "auto" | "always" | "never" | undefined;
  readonly #credentials: Credentials | undefined;
  readonly #parameters: readonly (readonly [name: string, value: string])[];

  /** @throws {InvalidSettingsError} if `text` is no storage URL. The message does not repeat it. */
  constructor(text: string) {
    const parts = /^([a-z][a-z0-9+.-]{0,30}):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/is.exec(text);
    if (parts === null) throw new InvalidSettingsError(['a storage URL reads "scheme:path" or "scheme://host/path"']);
    const [, scheme = "", authority = "", path = "", query = "", fragment] = parts;
    this.scheme = scheme.toLowerCase();
    const at = authority.lastIndexOf("@");
    this.host = authority.slice(at + 1);
    if (fragment !== undefined || isCut(this.host, at >= 0, path)) throw ambiguous(this.scheme);
    this.#credentials = at < 0 ? undefined : credentialsOf(authority.slice(0, at));
    this.path = decoded(path, "path");
    this.#parameters = query.split("&").filter(Boolean).map(parameterOf);
  }

  /** User and password, decoded, or `undefined` if the URL names none. */
  credentials(): Credentials | undefined {
    return this.#credentials;
  }

  /** What the URL says about the probe. @throws {InvalidSettingsError} for every parameter that nobody knows. */
  probe(): "auto" | "always" | "never" {
    this.#probe ??= this.parameters({}).probe;
    return this.#probe;
  }

  /**
   * The values of the parameters that the driver declares, and of those that all storages have.
   *
   * @throws {InvalidSettingsError} with every unknown, repeated and ill-typed parameter, and the names that are
   * allowed.
   */
  parameters<T extends ParameterTable>(table: T): ParameterValues<T & typeof sharedParameters> {
    const all: ParameterTable = { ...sharedParameters, ...table };
    const problems: string[] = [];
    const given = new Map<string, string>();
    for (const [name, value] of this.#parameters) {
      if (!Object.hasOwn(all, name)) problems.push(`${shownName(name)} is no parameter of ${this.scheme}:`);
      else if (given.has(name)) problems.push(`${name} is given twice`);
      given.set(name, value);
    }
    const values: Record<string, unknown> = {};
    for (const [name, parameter] of Object.entries(all)) {
      const text = given.get(name);
      const parsed = text === undefined ? { value: parameter.default } : parseParameter(parameter, text);
      if ("problem" in parsed) problems.push(`${name} ${parsed.problem}`);
      else values[name] = parsed.value;
    }
    if (problems.length > 0) {
      throw new InvalidSettingsError([...problems, `allowed are: ${Object.keys(all).sort().join(", ")}`]);
    }
    const typed = values as ParameterValues<T & typeof sharedParameters>; // cast: each was parsed by its row
    this.#probe = (typed as ParameterValues<typeof sharedParameters>).probe; // cast: a part of it, for the compiler
    return typed;
  }
}

/** A "/", "?" or "#" in user info that is not encoded ends the host early: what follows must not pass as a path. */
function isCut(host: string, hasUserInfo: boolean, path: string): boolean {
  if (!/^(?:[^:[\]]*|\[[0-9a-f:.]*\])(?::\d*)?$/i.test(host)) return true;
  return !hasUserInfo && host !== "" && path.includes("@");
}

function ambiguous(scheme: string): InvalidSettingsError {
  const how = "write / ? # @ : in user info as %2f %3f %23 %40 %3a, and # and @ elsewhere as %23 %40";
  return new InvalidSettingsError([`the ${scheme}: URL is ambiguous: ${how}`]);
}

function parameterOf(pair: string): readonly [name: string, value: string] {
  const equals = pair.indexOf("=");
  const name = equals < 0 ? pair : pair.slice(0, equals);
  return [decoded(name, "query"), equals < 0 ? "" : decoded(pair.slice(equals + 1), "query")];
}

function credentialsOf(userInfo: string): Credentials {
  const colon = userInfo.indexOf(":");
  const [user, password] = colon < 0 ? [userInfo, ""] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
  return { user: decoded(user, "user info"), password: decoded(password, "user info") };
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The reason is always the same, and its own text may hold a secret.
    throw new InvalidSettingsError([`the ${what} of the storage URL is not percent-encoded UTF-8; write % as %25`]);
  }
}

/** A cut password can end up as a parameter's name: show only what looks like a name. */
function shownName(name: string): string {
  return /^[A-Za-z][A-Za-z0-9_-]{0,30}$/.test(name) ? printable(name) : "something unreadable";
}
