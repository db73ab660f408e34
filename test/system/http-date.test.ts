// Goal: the date of an answer is read where it is one, and nothing else passes as a time. Method: texts with their
// milliseconds since 1970.
import { expect, it } from "vitest";
import { httpDateMs } from "../../src/system/http-date.ts";

it("reads the date of an answer, in whole seconds", () => {
  expect(httpDateMs("Thu, 01 Jan 1970 00:00:01 GMT")).toBe(1000);
  expect(httpDateMs("Sat, 21 Nov 2026 18:13:42 GMT")).toBe(1_795_284_822_000);
});

it.each([undefined, "", "now", "Sat, 21 Nov 2026 18:13:42", "2026-11-21T18:13:42Z", "Sat, 99 Nov 2026 18:13:42 GMT"])(
  "does not take %j for one",
  (text) => expect(httpDateMs(text)).toBeUndefined(),
);
