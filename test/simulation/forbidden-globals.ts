/**
 * Plays a run while the real clock, real chance and real timers are out of reach: whoever asks for one of them throws,
 * so that nothing but the seed decides. `new Date(ms)` is arithmetic, and allowed.
 */
export async function withoutGlobals<T>(play: () => Promise<T>): Promise<T> {
  const restore = forbid();
  try {
    return await play();
  } finally {
    restore();
  }
}

const timers = ["setTimeout", "setInterval", "setImmediate"] as const;

function forbid(): () => void {
  const undo: (() => void)[] = [];
  const replace = (target: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, before);
    });
  };
  replace(globalThis, "Date", forbiddenDate(Date));
  replace(performance, "now", refuse("performance.now"));
  replace(Math, "random", refuse("Math.random"));
  replace(crypto, "randomUUID", refuse("crypto.randomUUID"));
  replace(AbortSignal, "timeout", refuse("AbortSignal.timeout"));
  for (const name of timers) replace(globalThis, name, refuse(name));
  return () => {
    for (const step of undo.toReversed()) step();
  };
}

function refuse(name: string): () => never {
  return () => {
    throw new Error(`${name} while a simulation is played: only its seed may decide`);
  };
}

function forbiddenDate(real: DateConstructor): DateConstructor {
  return new Proxy(real, {
    construct(target, given) {
      if (given.length === 0) refuse("new Date()")();
      return Reflect.construct(target, given);
    },
    apply: refuse("Date()"),
    get(target, name) {
      return name === "now" ? refuse("Date.now") : Reflect.get(target, name);
    },
  });
}
