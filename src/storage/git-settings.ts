import { pathToFileURL } from "node:url";
import { InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import type { Credentials, StorageUrl } from "./storage-url.ts";

/** Which git is run, and what it is given; the "client" of this technology. */
export interface GitProgram {
  /** The program; default `git` on the `PATH`. */
  readonly path?: string | undefined;
  /** What git inherits, in place of the environment of this process without git's own variables. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** A credential helper for HTTPS, as in git's `credential.helper`: no configuration file is read, so name it here. */
  readonly credentialHelper?: string | undefined;
}

/** How a `GitStorage` is made. */
export interface GitStorageOptions {
  /**
   * The repository: an `https:`, `ssh:` or `file:` URL; `http:` and `git:` on loopback only. User and password are
   * taken out of it at once, travel by environment, and appear nowhere again.
   */
  readonly url: string;
  /** `refs`: one ref for each key. `tree`: one file for each key on one branch, with `transact`. Default `refs`. */
  readonly layout?: "refs" | "tree" | undefined;
  /** Layout `refs`: below which ref the keys are; default `refs/tenure`. */
  readonly namespace?: string | undefined;
  /** Layout `refs`: `keep` chains the commits, for servers that refuse forced pushes; default `none`. */
  readonly history?: "none" | "keep" | undefined;
  /** Layout `tree`: the branch; default `main`. */
  readonly branch?: string | undefined;
  /** Layout `tree`: the folder of the keys; default the root. */
  readonly directory?: string | undefined;
  /** Layout `tree`: a folder for the local copy of the branch, kept after `close()`; default a temporary one. */
  readonly mirror?: string | undefined;
  /** Who signs the commits; default `tenure <tenure@localhost>`. */
  readonly author?: string | undefined;
  /** The least time between two writes of a key, in milliseconds; default 2000, and 0 for `file:`. */
  readonly minWriteIntervalMs?: number | undefined;
  /** How often a watch asks, in milliseconds; at least 10, default 5000. */
  readonly pollMs?: number | undefined;
  /** The greatest size of a value in bytes; default 4 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** Which git is run; default the one on the `PATH`. */
  readonly git?: GitProgram | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** Where a repository is. */
export interface GitPlace {
  /** What git gets, without user and password. */
  readonly url: string;
  readonly protocol: "file" | "git" | "http" | "https" | "ssh";
  /** For people. */
  readonly description: string;
  readonly credentials: Credentials | undefined;
}

/** Every option with its value. */
export interface ResolvedGitSettings {
  readonly place: GitPlace;
  readonly layout: "refs" | "tree";
  readonly namespace: string;
  readonly history: "none" | "keep";
  readonly branch: string;
  readonly directory: string;
  readonly mirror: string | undefined;
  readonly author: string;
  readonly minWriteIntervalMs: number;
  readonly pollMs: number;
  readonly maxValueBytes: number;
  readonly timeoutMs: number;
  readonly git: GitProgram;
  readonly clock: Clock;
  readonly random: Random;
}

const longestMs = 2 ** 31 - 1;
const protocols = ["file", "git", "http", "https", "ssh"] as const;

/** @throws {InvalidSettingsError} naming all problems. */
export function gitSettings(options: GitStorageOptions): ResolvedGitSettings {
  const { layout = "refs", namespace = "refs/tenure", history = "none", branch = "main", directory = "" } = options;
  const { author = "tenure <tenure@localhost>", mirror, git = {}, timeoutMs = 10_000, pollMs = 5000 } = options;
  const { clock = systemClock, random = systemRandom, maxValueBytes = 4 * 2 ** 20 } = options;
  const place = placeOf(options.url);
  const minWriteIntervalMs =
    options.minWriteIntervalMs ?? ("protocol" in place && place.protocol === "file" ? 0 : 2000);
  const problems = [
    ...("problem" in place ? [place.problem] : []),
    ...oneOf({ layout }, ["refs", "tree"]),
    ...oneOf({ history }, ["none", "keep"]),
    ...(isRefName(namespace) && namespace.startsWith("refs/") ? [] : [`${named({ namespace })} like refs/tenure`]),
    ...(isRefName(`refs/heads/${branch}`) ? [] : [`${named({ branch })} the name of a branch`]),
    ...(directory === "" || isRefName(`x/${directory}`) ? [] : [`${named({ directory })} a relative path like a/b`]),
    ...(mirror === undefined || isPath(mirror) ? [] : [`${named({ mirror })} a path`]),
    ...(isAuthor(author) ? [] : [`${named({ author })} like "Name <address>"`]),
    ...wholeNumber({ minWriteIntervalMs }, 0, longestMs),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, 64 * 2 ** 20),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0 || "problem" in place) throw new InvalidSettingsError(problems, { operation: "open" });
  const settings = { layout, namespace, history, branch, directory, mirror, author, git, clock, random } as const;
  return { ...settings, minWriteIntervalMs, pollMs, maxValueBytes, timeoutMs, place: describe(place, settings) };
}

const parameters = {
  layout: { type: "choice", default: "refs", of: ["refs", "tree"] },
  namespace: { type: "text", default: undefined },
  history: { type: "choice", default: "none", of: ["none", "keep"] },
  branch: { type: "text", default: undefined },
  directory: { type: "text", default: undefined },
  mirror: { type: "text", default: undefined },
  author: { type: "text", default: undefined },
  minWriteIntervalMs: { type: "integer", default: undefined, most: longestMs },
} as const;

/**
 * The options that a storage URL like `git+https://host/team/locks.git?namespace=refs/leases` stands for.
 *
 * @throws {InvalidSettingsError} naming all problems.
 */
export function gitUrlOptions(url: StorageUrl): GitStorageOptions {
  const { probe: _probe, ...options } = url.parameters(parameters);
  const protocol = url.scheme.replace(/^git\+/, "");
  if (protocol === "file") {
    if (url.path === "" || !["", "localhost"].includes(url.host)) throw wrong("git+file:///repository.git");
    return { ...options, url: pathToFileURL(url.path).href };
  }
  if (url.host === "" || !url.path.startsWith("/")) throw wrong(`${url.scheme}://host/repository.git`);
  const known = url.credentials();
  const user = known === undefined ? "" : `${encodeURIComponent(known.user)}:${encodeURIComponent(known.password)}@`;
  const path = url.path.split("/").map(encodeURIComponent).join("/");
  return { ...options, url: `${protocol}://${user}${url.host}${path}` };
}

function wrong(example: string): InvalidSettingsError {
  return new InvalidSettingsError([`a git URL reads "${example}"`], { operation: "open" });
}

/** Where the URL leads. What is wrong with it is said without repeating it. */
function placeOf(text: unknown): GitPlace | { readonly problem: string } {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  const protocol = protocols.find((name) => url?.protocol === `${name}:`);
  if (url === undefined || protocol === undefined) return { problem: "url must be an https:, ssh: or file: URL" };
  const credentials = url.username === "" ? undefined : credentialsOf(url);
  if (credentials === "unreadable") return { problem: "user and password of url must be percent-encoded UTF-8" };
  if (url.search !== "" || url.hash !== "") return { problem: "url must have neither a query nor a fragment" };
  if (url.pathname.length < 2 || /%0[0ad]/i.test(url.pathname)) return { problem: "url must name a repository" };
  if (protocol === "file") return { url: url.href, protocol, description: url.href, credentials: undefined };
  if (!/^(?:[a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])$/i.test(url.hostname)) return { problem: "url must name a host" };
  if ((protocol === "http" || protocol === "git") && !isLoopback(url.hostname)) {
    return {
      problem: `${protocol}: is neither private nor authentic, and allowed on loopback only: use https: or ssh:`,
    };
  }
  if (protocol === "git" && credentials) return { problem: "git: knows no users" };
  if (protocol === "ssh" && credentials?.password) return { problem: "ssh: takes no password in url: use a key" };
  if (protocol === "ssh" && !/^[\w.][\w.@-]*$/.test(credentials?.user ?? "git")) {
    return { problem: "the user in url must be letters, digits, . _ - and @" };
  }
  const [host, user] = [`${url.host}${url.pathname}`, protocol === "ssh" && credentials ? `${credentials.user}@` : ""];
  const description = `${protocol}://${host}`;
  return { url: `${protocol}://${user}${host}`, protocol, description, credentials };
}

function credentialsOf({ username, password }: URL): Credentials | "unreadable" {
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return "unreadable"; // the error's own text may hold a part of it
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function describe(
  place: GitPlace,
  { layout, namespace, branch, directory }: Pick<ResolvedGitSettings, "layout" | "namespace" | "branch" | "directory">,
): GitPlace {
  const tree = `?layout=tree&branch=${branch}${directory === "" ? "" : `&directory=${directory}`}`;
  const refs = namespace === "refs/tenure" ? "" : `?namespace=${namespace}`;
  return { ...place, description: `git+${place.description}${layout === "tree" ? tree : refs}` };
}

/** What git's check-ref-format allows, and less: it goes into refspecs, patterns and paths. */
function isRefName(name: unknown): boolean {
  if (typeof name !== "string" || name.length > 200) return false;
  const segments = name.split("/");
  return segments.length > 1 && segments.every((one) => /^(?!.*(?:\.\.|\.lock$|\.$))\w[\w.-]*$/.test(one));
}

function isPath(path: unknown): boolean {
  return typeof path === "string" && path !== "" && !/[\0\r\n]/.test(path);
}

function isAuthor(author: unknown): boolean {
  return typeof author === "string" && author.length < 200 && /^[^<>\p{Cc}]+ <[^<>\s\p{Cc}]*>$/u.test(author);
}

function oneOf(option: Readonly<Record<string, unknown>>, allowed: readonly string[]): string[] {
  const [value] = Object.values(option);
  return allowed.some((one) => one === value) ? [] : [`${named(option)} ${allowed.join(" or ")}`];
}

function wholeNumber(option: Readonly<Record<string, unknown>>, least: number, greatest: number): string[] {
  const [value] = Object.values(option);
  const fits = Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest;
  return fits ? [] : [`${named(option)} a whole number from ${least} to ${greatest}`];
}

function named(option: Readonly<Record<string, unknown>>): string {
  const [[name, value] = ["", ""]] = Object.entries(option);
  return `${name} (${printable(typeof value === "string" ? `"${value}"` : String(value), 60)}) must be`;
}
