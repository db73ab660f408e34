export { DriftingClock, type DriftingClockOptions } from "./drifting-clock.ts";
export type { FakeOperation, FaultOptions } from "./fake-faults.ts";
export { fakeLeadership, type FakeLeadership, type FakeLeadershipOptions } from "./fake-leadership.ts";
export { FakeLock, type FakeCall, type FakeLockOptions } from "./fake-lock.ts";
export { FakeRecord } from "./fake-record.ts";
export { lockSuite, type LockCase, type LockFaults, type LockNeed, type LockSuiteContext } from "./lock-suite.ts";
export { ManualClock, type ManualClockOptions } from "./manual-clock.ts";
export { SeededRandom } from "./seeded-random.ts";
