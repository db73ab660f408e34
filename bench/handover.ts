import { fork, type ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Told } from "./handover-side.ts";

/** One lease that goes from one process to the other and back, each time to a side that has just joined. */
export class Handover {
  /** How many terms have begun. */
  terms = 0;
  readonly #sides: readonly [Side, Side];

  private constructor(sides: readonly [Side, Side]) {
    this.#sides = sides;
  }

  /** Two processes of a script beside this file; resolves when one leads. */
  static async start(script: string, url: string): Promise<Handover> {
    const handover = new Handover([await Side.start(script, url), await Side.start(script, url)]);
    const [first] = handover.#sides;
    await first.order("join", "leads");
    handover.terms = 1;
    return handover;
  }

  /** Nanoseconds from the send of the release to the start of the next term (B1). */
  async sample(): Promise<number> {
    const [one, other] = this.#sides;
    const [leader, standby] = this.terms % 2 === 1 ? [one, other] : [other, one];
    await standby.order("join", "follows");
    await new Promise((resolve) => setTimeout(resolve, 50)); // its watch is established
    const begun = standby.next("leads");
    const [released, left] = [leader.next("released"), leader.next("left")];
    await leader.order("leave", "released");
    const tookNs = Number((await begun) - (await released));
    await left;
    this.terms += 1;
    return tookNs;
  }

  close(): void {
    for (const side of this.#sides) side.end();
  }
}

class Side {
  readonly #child: ChildProcess;
  readonly #news = new EventEmitter();

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", ({ did, atNs }: Told) => this.#news.emit(did, BigInt(atNs)));
    child.on("exit", (code) => this.#news.emit("error", new Error(`one side of the hand-over ended with ${code}`)));
  }

  static async start(script: string, url: string): Promise<Side> {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const side = new Side(fork(path, [url], { stdio: "inherit" }));
    await side.next("ready");
    return side;
  }

  /** When it does this next. */
  async next(did: Told["did"]): Promise<bigint> {
    const [atNs]: unknown[] = await once(this.#news, did);
    return typeof atNs === "bigint" ? atNs : 0n;
  }

  async order(order: "join" | "leave", until: Told["did"]): Promise<void> {
    const done = this.next(until);
    this.#child.send(order);
    await done;
  }

  end(): void {
    this.#child.removeAllListeners("exit");
    this.#child.kill();
  }
}
