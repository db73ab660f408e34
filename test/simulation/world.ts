import { drainMicrotasks } from "../../src/system/microtasks.ts";

interface Task {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** True time and one heap of everything that will happen. Nothing else moves a simulation. */
export class World {
  nowMs = 0;
  #sequence = 0;
  readonly #heap: Task[] = [];

  /** Runs `run` at the true time `atMs`; the returned function cancels. */
  at(atMs: number, run: () => void): () => void {
    this.#sequence += 1;
    const task: Task = { atMs: Math.max(atMs, this.nowMs), sequence: this.#sequence, run, cancelled: false };
    this.#push(task);
    return () => {
      task.cancelled = true;
    };
  }

  after(ms: number, run: () => void): () => void {
    return this.at(this.nowMs + ms, run);
  }

  /** Macrotasks in (time, sequence) order; microtasks are drained between. */
  async runUntil(endMs: number): Promise<void> {
    await drainMicrotasks();
    for (let task = this.#heap[0]; task !== undefined && task.atMs <= endMs; task = this.#heap[0]) {
      this.#pop();
      if (task.cancelled) continue;
      this.nowMs = task.atMs;
      task.run();
      await drainMicrotasks();
    }
    this.nowMs = endMs;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let index = heap.push(task) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, task)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      if (left === undefined) break;
      const useRight = right !== undefined && before(right, left);
      const child = useRight ? right : left;
      if (before(last, child)) break;
      heap[index] = child;
      index = 2 * index + (useRight ? 2 : 1);
    }
    heap[index] = last;
  }
}

function before(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
