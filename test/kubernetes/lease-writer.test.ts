// Goal: a Lease that another program renews is told from one of ours, and what nobody noted is not taken for another's.
// Method: Leases with the notes that servers make beside the fields, as each kind of client leaves them.
import { expect, test } from "vitest";
import { isWrittenByOthers } from "../../src/kubernetes/lease-writer.ts";

const renews = { "f:spec": { "f:holderIdentity": {}, "f:renewTime": {} } };
const labels = { "f:metadata": { "f:labels": { "f:team": {} } } };

test.each(["kube-scheduler", "manager", "client-go-elector"])("%s is another program", (manager) => {
  const noted = { manager, operation: "Update", fieldsType: "FieldsV1", fieldsV1: renews };
  expect(isWrittenByOthers({ metadata: { managedFields: [noted] } })).toBe(true);
});

test.each(["tenure", "kubernetes-client-javascript", "node", "node-fetch"])("%s is one of ours", (manager) => {
  const noted = { manager, operation: "Update", fieldsType: "FieldsV1", fieldsV1: renews };
  const edited = { manager: "kubectl-label", operation: "Update", fieldsType: "FieldsV1", fieldsV1: labels };
  expect(isWrittenByOthers({ metadata: { managedFields: [edited, noted] } })).toBe(false);
});

test.each([
  undefined,
  null,
  [],
  {},
  "x",
  [null],
  [{ manager: 7, fieldsV1: renews }],
  [{ manager: "a", fieldsV1: "x" }],
])("notes that tell nothing tell nothing: %j", (managedFields) => {
  expect(isWrittenByOthers({ metadata: { managedFields } })).toBe(false);
  expect(isWrittenByOthers({})).toBe(false);
});
