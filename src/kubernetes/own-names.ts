/** Whose signals these are: the identity of the lock, or the one under which a `MultiLock` has it write. */
export interface Sender {
  identity: string;
  /** Whether others of its cluster signal under the same name, one after the other. */
  readonly isShared?: boolean;
}

/** The longest number that a name can end in; a longer one is somebody else's. */
const name = /^~([1-9]\d{0,8})$/;

/**
 * Which of the names of `identity` this is: 1 for the identity itself, N for `<identity>~N`, `undefined` for the name
 * of anybody else. Where a controller cannot count a new term of the same holder, each term has a name of its own.
 */
export function ownNumber(identity: string, holder: string): number | undefined {
  if (holder === identity) return 1;
  if (identity === "" || !holder.startsWith(identity)) return undefined;
  const found = name.exec(holder.slice(identity.length));
  const number = Number(found?.[1] ?? 0);
  return number >= 2 ? number : undefined;
}

/** The identity that a name belongs to, whoever's it is. */
export function instanceName(holder: string): string {
  return holder.replace(/~[1-9]\d{0,8}$/, "");
}

/** The name with this number. */
export function ownName(identity: string, number: number): string {
  return number <= 1 ? identity : `${identity}~${number}`;
}
