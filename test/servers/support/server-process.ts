import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** How a server is started. */
export interface ServerPlan {
  /** For messages, and for the name of the folder. */
  readonly name: string;
  /** Program and arguments; the folder is fresh, the port is free. */
  readonly command: (at: ServerPlace) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs before the first start, once: `initdb` and the like. Throws if it fails. */
  readonly prepare?: (at: ServerPlace) => void;
  /** Whether it answers by now; a throw counts as "not yet". */
  readonly ready: (at: ServerPlace) => Promise<boolean>;
  /** Default 30 000. */
  readonly patienceMs?: number;
  /** Who runs it if the tests run as root, which some servers refuse. */
  readonly user?: string;
}

/** Where a server runs: loopback only, whatever it could do. */
export interface ServerPlace {
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly folder: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** A server in a process group of its own. It ends with the test, even if that dies. */
export class ServerProcess implements AsyncDisposable {
  readonly place: ServerPlace;
  readonly #plan: ServerPlan;
  #guardian: ChildProcess | undefined;
  #group = 0;

  private constructor(plan: ServerPlan, place: ServerPlace) {
    this.#plan = plan;
    this.place = place;
  }

  /** Starts it on a free port and waits until it answers. */
  static async start(plan: ServerPlan): Promise<ServerProcess> {
    for (let attempt = 1; ; attempt += 1) {
      const folder = mkdtempSync(join(tmpdir(), `tenure-${plan.name}-`));
      const owner = plan.user === undefined || process.getuid?.() !== 0 ? undefined : idsOf(plan.user);
      if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
      const server = new ServerProcess(plan, { host: "127.0.0.1", port: await freePort(), folder, ...owner });
      try {
        plan.prepare?.(server.place);
        await server.up();
        return server;
      } catch (error) {
        const taken = /in use/i.test(server.log()); // somebody was faster: a free port is free for an instant only
        await server[Symbol.asyncDispose]();
        if (!taken || attempt === 3) throw error;
      }
    }
  }

  get description(): string {
    return `${this.#plan.name} at ${this.place.host}:${this.place.port}`;
  }

  /** Starts it (again), on the same port and folder, and waits until it answers. */
  async up(): Promise<void> {
    const { place } = this;
    const { command, env = {} } = this.#plan;
    const ids = place.uid === undefined ? {} : { uid: place.uid, gid: place.gid };
    const question = { command: command(place), env, folder: place.folder, logFile: this.#logFile, ...ids };
    const script = fileURLToPath(new URL("server-guardian.ts", import.meta.url));
    const guardian = spawn(process.execPath, [script, JSON.stringify(question)], { stdio: ["pipe", "pipe", "pipe"] });
    this.#guardian = guardian;
    const said: string[] = [];
    guardian.stderr.on("data", (data: Buffer) => void said.push(data.toString()));
    guardian.stdout.once("data", (data: Buffer) => void (this.#group = Number(data.toString())));
    guardian.unref();
    const untilMs = performance.now() + (this.#plan.patienceMs ?? 30_000);
    while (!(await this.#isReady())) {
      const ended = guardian.exitCode !== null || guardian.signalCode !== null;
      if (!ended && performance.now() < untilMs) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      throw new Error(`${this.description} ${ended ? "ended" : "is not ready"}: ${said.join("")}\n${this.log()}`);
    }
  }

  /** To the whole group: `SIGKILL`, `SIGSTOP`, `SIGCONT`, … */
  signal(signal: NodeJS.Signals): void {
    if (this.#group > 1) process.kill(-this.#group, signal);
  }

  /** SIGSTOP: whatever is sent to it from now on waits. */
  stop(): void {
    this.signal("SIGSTOP");
  }

  /** SIGCONT: it goes on where it stood. */
  cont(): void {
    this.signal("SIGCONT");
  }

  /** Kills it, and starts it again as it was. */
  async restart(): Promise<void> {
    await this.kill();
    await this.up();
  }

  /** Kills it, and waits for its end; `up()` starts it again. */
  async kill(): Promise<void> {
    const guardian = this.#guardian;
    if (guardian === undefined || guardian.exitCode !== null) return;
    const ended = once(guardian, "exit");
    guardian.ref(); // or a program that only waits for this would end before
    guardian.stdin?.end();
    await ended;
    this.#group = 0;
  }

  /** What it wrote to stdout and stderr. */
  log(): string {
    return existsSync(this.#logFile) ? readFileSync(this.#logFile, "utf8").slice(-20_000) : "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.place.folder, { recursive: true, force: true });
  }

  get #logFile(): string {
    return join(this.place.folder, "server.log");
  }

  async #isReady(): Promise<boolean> {
    try {
      return await this.#plan.ready(this.place);
    } catch {
      return false; // not yet
    }
  }
}

/** A port of loopback that nobody uses just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has no port");
  return address.port;
}

/** Runs a program to its end, as the owner of the place. @throws {Error} with its output if it fails. */
export function runAt(place: ServerPlace, [command = "", ...args]: readonly string[]): string {
  const ids = place.uid === undefined ? {} : { uid: place.uid, ...(place.gid !== undefined && { gid: place.gid }) };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: place.folder, encoding: "utf8", ...ids });
  if (status !== 0) throw new Error(`${command} ended with ${status ?? error?.message}: ${stdout}${stderr}`);
  return stdout;
}

function idsOf(user: string): { readonly uid: number; readonly gid: number } {
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(spawnSync("id", [flag, user], { encoding: "utf8" }).stdout));
  if (!uid || !gid) throw new Error(`there is no user "${user}" to run a server as`);
  return { uid, gid };
}
