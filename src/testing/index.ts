export { DriftingClock, type DriftingClockOptions } from "./drifting-clock.ts";
export { fakeLeadership, type FakeLeadership, type FakeLeadershipOptions } from "./fake-leadership.ts";
export { ManualClock, type ManualClockOptions } from "./manual-clock.ts";
export { SeededRandom } from "./seeded-random.ts";
