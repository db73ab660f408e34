import { isDeepStrictEqual } from "node:util";
import type { MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseView } from "./lease-view.ts";

/** One late write of a replica that led before proves nothing. */
const mostLateWrites = 1;

/** Finds a second controller of the same cluster by its status writes. */
export class ForeignStatus {
  #own: MultiClusterLeaseStatus | undefined;
  #foreign = 0;
  #told = false;

  /** This replica leads from now on: what is shown now counts as ours. */
  start(view: LeaseView | undefined): void {
    this.#own = view?.status;
    this.#foreign = 0;
  }

  /** This status is ours. */
  wrote(view: LeaseView | undefined): void {
    this.#own = view?.status;
  }

  /** Whether somebody else has written it, for the second time; says so once. */
  isForeign(view: LeaseView | undefined): boolean {
    if (view === undefined || this.#own === undefined || isDeepStrictEqual(view.status, this.#own)) return false;
    this.#own = view.status;
    this.#foreign += 1;
    if (this.#foreign <= mostLateWrites || this.#told) return false;
    this.#told = true;
    return true;
  }
}
