/** Where log lines go; pino, winston and `console` fit. Silent unless given. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The default: says nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};

/**
 * Makes foreign text fit for one log line: control characters and ANSI sequences are escaped, and everything past
 * `maxLength` characters (default 200) is cut. Identities and stored text come from anybody who may write the record.
 */
export function printable(text: string, maxLength = 200): string {
  // Control and format characters, among them those that turn the direction of text, and separators of lines.
  const escaped = text.slice(0, maxLength).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
  return text.length > maxLength ? `${escaped}…` : escaped;
}
