import { printable } from "../system/logger.ts";
import type { LeaseLockOptions } from "./lease-lock.ts";

const calls = ["read", "create", "replace", "patch", "watch"] as const;
const labelOfDns = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const nameOfDns = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const valueOfLabel = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Why these options cannot make a `LeaseLock`: everything that is wrong, `[]` if nothing is. */
export function leaseOptionProblems(options: LeaseLockOptions): string[] {
  const { client, namespace, name, label, labels = {}, events } = options;
  const problems: string[] = [];
  for (const call of calls) {
    if (typeof client?.[call] !== "function") problems.push(`client must have the call ${call}`);
  }
  problems.push(...namespaceProblems(namespace));
  if (typeof name !== "string" || name.length > 253 || !nameOfDns.test(name)) {
    problems.push(`name (${shown(name)}) must be 1 to 253 characters of a-z, 0-9, "-" and "."`);
  }
  if (label !== undefined && (typeof label !== "string" || !/^[^\p{Cc}]{1,200}$/u.test(label))) {
    problems.push(`label (${shown(label)}) must be 1 to 200 characters without control characters`);
  }
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value === "string" && valueOfLabel.test(value)) continue;
    problems.push(
      `labels[${shown(key)}] (${shown(value)}) must be at most 63 characters of A-Z, a-z, 0-9, ".", "_", "-"`,
    );
  }
  if (events !== undefined && !["events.k8s.io", "core", "off"].includes(events)) {
    problems.push(`events (${shown(events)}) must be "events.k8s.io", "core" or "off"`);
  }
  return problems;
}

/** Why this cannot be a namespace of Kubernetes, `[]` if it can. */
export function namespaceProblems(namespace: unknown): string[] {
  if (typeof namespace === "string" && labelOfDns.test(namespace)) return [];
  return [`namespace (${shown(namespace)}) must be 1 to 63 characters of a-z, 0-9 and "-"`];
}

function shown(value: unknown): string {
  return typeof value === "string" ? `"${printable(value, 80)}"` : typeof value;
}
