import type { Logger } from "../system/logger.ts";

/** For what a command runs: who leads and who stopped the command tells in its own words, alarms and warnings pass. */
export function quietLogger(log: Logger): Logger {
  return {
    debug: (message, fields) => log.debug(message, fields),
    info: (message, fields) => log.debug(message, fields),
    warn: (message, fields) => log.warn(message, fields),
    error: (message, fields) => log.error(message, fields),
  };
}
