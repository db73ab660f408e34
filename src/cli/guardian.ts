import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { Socket } from "node:net";
import process from "node:process";
import { systemClock } from "../system/clock.ts";
import { systemMachineClock } from "../system/machine-clock.ts";
import type { GuardianOrder, GuardianReport } from "./guardian-protocol.ts";
import { lineReader } from "./line-reader.ts";
import { ValidityWatch } from "./validity-watch.ts";

/**
 * The end of the socket pair that the supervisor holds the other end of. Node marks it close-on-exec: the command
 * never has it.
 */
const supervisorDescriptor = 3;
/** How long the last report may take to leave. */
const reportPatienceMs = 200;

/**
 * The program between `tenure run` and its command: leader of the command's process group, and the command's parent.
 * It ends the group when the validity is over, and at once when the supervisor is gone, so that no process of it
 * lives when another candidate may lead. It writes to nothing but its socket: a paused reader must not stop it.
 */
class Guardian {
  readonly #socket: Socket;
  #watch: ValidityWatch | undefined;
  #command: ChildProcess | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const read = lineReader((line) => this.#obey(JSON.parse(line) as GuardianOrder)); // cast: same package
    socket.on("data", read);
    // end of file: the supervisor is gone, and nobody renews any more
    for (const event of ["end", "close", "error"]) socket.on(event, endGroup);
    this.#report({ is: "ready" });
  }

  #obey(order: GuardianOrder): void {
    switch (order.do) {
      case "start":
        this.#start(order);
        break;
      case "until":
        this.#watch?.extend(order.until);
        break;
      case "signal":
        this.#watch?.look();
        for (const signal of order.signals) signalGroup(signal);
    }
    this.#report({ is: "answer", seq: order.seq });
  }

  #start(order: GuardianOrder & { do: "start" }): void {
    this.#watch = new ValidityWatch({
      clock: systemClock,
      machineClock: systemMachineClock,
      until: order.until,
      killAfterMs: order.killAfterMs,
      onOver: () => this.#over(),
      onKill: endGroup,
    });
    if (this.#watch.look()) return;
    try {
      const env = { ...process.env, ...order.env };
      this.#command = spawn(order.file, order.args, { stdio: "inherit", env });
    } catch (error) {
      return this.#failed(error);
    }
    this.#command.on("error", (error) => this.#failed(error));
    this.#command.on("exit", (code, signal) => this.#ended(code, signal));
  }

  #over(): void {
    this.#report({ is: "termed" });
    if (this.#command === undefined) return endGroup();
    signalGroup("SIGTERM");
    signalGroup("SIGCONT");
  }

  #failed(error: unknown): void {
    const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.#lastReport({ is: "failed", code: typeof code === "string" ? code : "UNKNOWN", message });
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const inTime = this.#watch?.look() === false;
    this.#lastReport({ is: "ended", code, signal, inTime });
  }

  #report(report: GuardianReport, onSent?: () => void): void {
    this.#socket.write(`${JSON.stringify(report)}\n`, onSent);
  }

  /** Reports, then ends what is left of the group. */
  #lastReport(report: GuardianReport): void {
    this.#report(report, endGroup);
    systemClock.setTimer(systemClock.monotonicMs() + reportPatienceMs, endGroup);
  }
}

function signalGroup(signal: NodeJS.Signals): void {
  process.kill(0, signal); // 0 is one's own group, whatever its number: nobody else can be meant
}

/** The end of the whole group, this process included. */
function endGroup(): void {
  signalGroup("SIGKILL");
}

/** Whether this process leads its group; otherwise `kill(0)` would end somebody else's. */
function leadsItsGroup(): boolean {
  try {
    return process.kill(-process.pid, 0);
  } catch {
    return false; // no group has this process's number
  }
}

/** What a group is sent by `kill 0`, a terminal or an operator is for the command. SIGUSR1 would open a debugger. */
function ignoreSignals(): void {
  const fatal = new Set([
    "SIGKILL",
    "SIGSTOP",
    "SIGSEGV",
    "SIGBUS",
    "SIGFPE",
    "SIGILL",
    "SIGABRT",
    "SIGIOT",
    "SIGTRAP",
    "SIGSYS",
  ]);
  const needed = new Set(["SIGCHLD", "SIGPROF"]);
  for (const signal of Object.keys(constants.signals)) {
    if (fatal.has(signal) || needed.has(signal)) continue;
    try {
      process.on(signal, () => {});
    } catch {
      // a signal that this system does not let anybody listen to
    }
  }
}

function main(): void {
  ignoreSignals();
  process.title = "tenure-guardian";
  if (!leadsItsGroup()) {
    process.exitCode = 125;
    return;
  }
  // the default would print to stderr, and wait for its reader
  process.on("uncaughtException", endGroup);
  process.removeAllListeners("warning");
  new Guardian(new Socket({ fd: supervisorDescriptor, readable: true, writable: true }));
}

main();
