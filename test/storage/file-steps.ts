import { basename } from "node:path";
import { systemFileSystem, type FileSystem, type OpenFile } from "../../src/storage/file-system.ts";

/** One step of the driver: a call of the file system, or of an open file (`file.datasync`). */
export interface Step {
  readonly name: string;
  /** For `link` and `rename` the new name. */
  readonly path: string;
}

/** A step that waits for the test. */
export interface HeldStep {
  readonly reached: Promise<void>;
  release(): void;
}

type Run = () => Promise<unknown>;
type Rule = { readonly matches: (step: Step) => boolean; readonly act: (run: Run, step: Step) => Promise<unknown> };

/** A file system whose every step a test can log, hold, fail, double or drop; otherwise the real one. */
export class FileSteps {
  readonly fs: FileSystem;
  /** The steps so far, as `link 0000000000000001`. */
  readonly log: string[] = [];
  readonly #rules: Rule[] = [];

  constructor(base: FileSystem = systemFileSystem) {
    const step = (name: string, path: string, run: Run): Promise<unknown> => this.#step({ name, path }, run);
    this.fs = new Proxy(base, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof name !== "string" || typeof method !== "function" || name === "watch") return method;
        return async (...args: unknown[]): Promise<unknown> => {
          const path = String(name === "link" || name === "rename" ? args[1] : args[0]);
          const result = await step(name, path, () => Reflect.apply(method, target, args) as Promise<unknown>);
          return name === "open" ? steppedFile(result as OpenFile, path, step) : result;
        };
      },
    });
  }

  /** Whatever matches, each time, until the returned function is called. */
  on(matches: string | ((step: Step) => boolean), act: (run: Run, step: Step) => Promise<unknown>): () => void {
    const rule: Rule = { matches: typeof matches === "string" ? named(matches) : matches, act };
    this.#rules.push(rule);
    return () => void this.#rules.splice(this.#rules.indexOf(rule), 1);
  }

  /** Fails each matching step before it does anything; only a file is closed all the same. */
  fail(matches: string | ((step: Step) => boolean), code: string): () => void {
    return this.on(matches, async (run, step) => {
      if (step.name === "file.close") await run();
      throw systemError(code, step.name);
    });
  }

  /** Holds the first matching step, before or after it has done its work. */
  hold(when: "before" | "after", matches: string | ((step: Step) => boolean)): HeldStep {
    const [gate, reached] = [new Gate(), new Gate()];
    const done = this.on(matches, async (run) => {
      done();
      const early = when === "after" ? await run() : undefined;
      reached.open();
      await gate.passed;
      return when === "after" ? early : run();
    });
    return { reached: reached.passed, release: () => gate.open() };
  }

  async #step(step: Step, run: Run): Promise<unknown> {
    this.log.push(`${step.name} ${basename(step.path)}`);
    const rule = this.#rules.find(({ matches }) => matches(step));
    return rule === undefined ? run() : rule.act(run, step);
  }
}

/** Closed until it is opened. */
export class Gate {
  readonly passed: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.passed = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

/** An error as the system throws it. */
export function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: injected, ${syscall}`), { code, syscall });
}

/** `link`, or `link 0000000000000002` for one name only. */
function named(text: string): (step: Step) => boolean {
  const [name, base] = text.split(" ");
  return (step) => step.name === name && (base === undefined || basename(step.path) === base);
}

function steppedFile(
  file: OpenFile,
  path: string,
  step: (name: string, path: string, run: Run) => Promise<unknown>,
): OpenFile {
  return new Proxy(file, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name);
      if (typeof name !== "string" || typeof method !== "function") return method;
      return (...args: unknown[]): Promise<unknown> =>
        step(`file.${name}`, path, () => Reflect.apply(method, target, args) as Promise<unknown>);
    },
  });
}
