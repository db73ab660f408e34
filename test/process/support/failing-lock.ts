import { setTimeout as pause } from "node:timers/promises";
import type {
  CallOptions,
  LeaderElectionRecord,
  LockHint,
  LockOutcome,
  ObservedRecord,
  ResourceLock,
  Version,
} from "../../../src/index.ts";
import { tell } from "./channel.ts";
import type { Command, WriteKind } from "./protocol.ts";

type LockFault = Extract<Command, { do: "dieInRelease" | "slowWrite" }>;

/** A lock that tells its writes, fails as told, and may bear an identity that is not its own. */
export class FailingLock implements ResourceLock {
  readonly identity: string;
  readonly description: string;
  readonly minWriteIntervalMs?: number;
  readonly watch?: (options: { readonly signal: AbortSignal }) => AsyncIterable<LockHint>;
  readonly #lock: ResourceLock;
  #fault: LockFault | undefined;

  constructor(lock: ResourceLock, identity: string = lock.identity, minWriteIntervalMs?: number) {
    this.#lock = lock;
    this.identity = identity;
    this.description = lock.description;
    if (minWriteIntervalMs !== undefined) this.minWriteIntervalMs = minWriteIntervalMs;
    const watch = lock.watch?.bind(lock);
    if (watch !== undefined) this.watch = watch;
  }

  /** Once, at the next write of that kind. */
  fail(fault: LockFault): void {
    this.#fault = fault;
  }

  get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    return this.#lock.get(options);
  }

  create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    return this.#write(record, () => this.#lock.create(record, options));
  }

  update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    return this.#write(record, () => this.#lock.update(record, expected, options));
  }

  async #write(record: LeaderElectionRecord, write: () => Promise<LockOutcome>): Promise<LockOutcome> {
    const op = kindOf(record);
    void tell({ did: "sending", op, record });
    const fault = this.#fault;
    const slow = fault?.do === "slowWrite" && fault.op === op ? fault : undefined;
    if (slow !== undefined) this.#fault = undefined;
    const dies = fault?.do === "dieInRelease" && op === "release";
    if (dies && fault.at === "before") process.kill(process.pid, "SIGKILL");
    if (slow?.way === "request") await pause(slow.ms);
    const outcome = await write();
    if (dies) process.kill(process.pid, "SIGKILL");
    void tell({ did: outcome.written ? "applied" : "lostRace", op, record });
    if (slow?.way === "answer") await pause(slow.ms);
    return outcome;
  }
}

function kindOf({ holderIdentity, acquireTime, renewTime }: LeaderElectionRecord): WriteKind {
  if (holderIdentity === "") return "release";
  return acquireTime === renewTime ? "acquire" : "renew";
}
