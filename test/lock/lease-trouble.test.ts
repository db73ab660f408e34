// Goal: the errors of a lock say what, where and whether a write may have happened, and keep their cause.
// Method: make each of them and compare its fields.
import { expect, test } from "vitest";
import { ClosedError, UnsafeStorageError } from "../../src/errors.ts";
import { LeaseTrouble } from "../../src/lock/lease-trouble.ts";
import { TimeoutError } from "../../src/system/signals.ts";

const trouble = new LeaseTrouble("leases/default/billing", "memory");
const overdue = new TimeoutError("no answer after 100 ms");

test("an overdue read failed, an overdue write is unknown; both name the place", () => {
  const place = { storage: "memory", key: "leases/default/billing", cause: overdue };
  expect(trouble.readOverdue(overdue)).toMatchObject({ code: "STORAGE_UNAVAILABLE", operation: "read", ...place });
  const unknown = trouble.unknown("update", overdue);
  expect(unknown).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", operation: "update", ...place });
  expect(unknown.message).toBe('cannot update lease "leases/default/billing" in memory: no answer after 100 ms');
});

test("trouble before a write keeps the code that tells what to do; any other one says to try later", () => {
  expect(trouble.beforeWriting(new ClosedError("closed"))).toMatchObject({ code: "CLOSED", applied: "no" });
  const cause = new UnsafeStorageError("ignores conditions");
  expect(trouble.beforeWriting(cause)).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", cause });
  expect(trouble.beforeWriting("text")).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", cause: "text" });
});
