import { hostname } from "node:os";

/** The name of this host, for people. */
export function hostName(): string {
  return hostname();
}
