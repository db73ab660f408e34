import type { WriteProgress } from "./storage-call.ts";

/** One command: its name, then its arguments. Never concatenated into text. */
export type RedisCommand = readonly (string | Uint8Array)[];

/** What Redis answers; every string comes as bytes. An error is an answer too. */
export type RedisReply = Uint8Array | number | null | RedisErrorReply | readonly RedisReply[];

/** How a call is made. */
export interface RedisCallOptions {
  /** Falls when the answer is not wanted any more: the command connection has to be destroyed, not abandoned. */
  readonly signal: AbortSignal;
  /** Say `"no"` here until the commands are handed to the socket, and `"unknown"` from then on. */
  readonly progress?: WriteProgress;
}

/** Who listens to one channel. */
export interface RedisListener {
  /** From now on nothing can be missed. */
  readonly established: () => void;
  /** One message, as bytes that nobody else changes. */
  readonly tell: (message: Uint8Array) => void;
}

/**
 * The smallest shape of a Redis client that can carry an election; `fromNodeRedis` and `fromIoredis` make one. It has
 * connections of its own, for only those may be destroyed, and it repeats nothing by itself.
 */
export interface RedisClient {
  /** Place and database, for people; must hold no secret. */
  readonly description: string;
  /**
   * Sends the commands at once, one behind the other over one connection, and resolves with their answers. Rejects if
   * the connection failed; then every command that was sent may have been executed.
   */
  call(commands: readonly RedisCommand[], options: RedisCallOptions): Promise<readonly RedisReply[]>;
  /** One life of a subscription: rejects when it broke; resolves when `signal` fell. Notices a silent server. */
  subscribe(channel: string, listener: RedisListener, signal: AbortSignal): Promise<void>;
  /** Destroys its own connections; twice is fine. Never closes the client that it was made from. */
  close(): Promise<void>;
}

/** An error that Redis answered. Its message is the first word only: the rest may quote what was sent. */
export class RedisErrorReply extends Error {
  override readonly name: string = "RedisErrorReply";
  readonly #text: string;

  constructor(text: string) {
    super(/^[A-Z][A-Z0-9_]*/.exec(text)?.[0] ?? "ERR");
    this.#text = text;
  }

  /** Looks into the whole text, which must not be shown. */
  match(pattern: RegExp): RegExpExecArray | null {
    return pattern.exec(this.#text);
  }
}

/** Why there is no connection, or none any more. Its message is ours. */
export class RedisConnectionError extends Error {
  override readonly name: string = "RedisConnectionError";
  /** That of the system or of the TLS library, if it has one. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** Whether two answers of the server are the same bytes. */
export function replyText(reply: RedisReply | undefined): string | undefined {
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : undefined;
}

/**
 * What a library rejected with: an answer of the server, or the failure of the connection. The libraries' own errors go
 * no further: they quote commands, passwords included.
 */
export function redisFailure(error: unknown): RedisErrorReply | RedisConnectionError {
  if (error instanceof RedisErrorReply || error instanceof RedisConnectionError) return error;
  if (!(error instanceof Error)) return new RedisConnectionError("the connection failed");
  const code = codeOf(error);
  if (code === undefined && /^[A-Z]{2}[A-Z0-9_]*( |$)/.test(error.message)) return new RedisErrorReply(error.message);
  return new RedisConnectionError(`the connection failed${code === undefined ? "" : ` (${code})`}`, code);
}

/** A name with several addresses fails with one error for each: all refused is refused. */
function codeOf(error: Error): string | undefined {
  const inner: unknown = Reflect.get(error, "errors");
  const codes = (Array.isArray(inner) ? inner : [error]).map((each: unknown) => Reflect.get(Object(each), "code"));
  const [first] = codes;
  if (typeof first !== "string" || !/^[A-Z][A-Z0-9_]{2,60}$/.test(first)) return undefined;
  return codes.every((code) => code === first) ? first : "EHOSTUNREACH";
}
