// Tests of one's own work, without waiting and without a storage: what does it do when it is elected, and when it is
// not any more?
import assert from "node:assert/strict";
import { LeaderElector, LeadershipLostError, type Leadership, type StopReason } from "tenure";
import { FakeLock, fakeLeadership } from "tenure/testing";

/** The work under test. */
const mails: string[] = [];
async function sendMail(leadership: Leadership): Promise<void> {
  await leadership.guard(async (term) => mails.push(`mail in term ${term}`));
}

// One term, and a test that decides when it ends.
const leadership = fakeLeadership({ term: 7 });
await sendMail(leadership);
leadership.end("taken");
assert.equal(leadership.signal.aborted, true);
await assert.rejects(sendMail(leadership), LeadershipLostError);
assert.deepEqual(mails, ["mail in term 7"]);
console.log("no mail is sent after the term has ended");

// A whole elector, and a lock that another candidate holds at first.
const lock = new FakeLock({ heldBy: "somebody-else", watch: "records" });
const stopped: StopReason[] = [];
const elector = new LeaderElector({
  lock,
  callbacks: { onStartedLeading: sendMail, onStoppedLeading: (reason) => void stopped.push(reason) },
});
const elected = new Promise<number>((resolve) => elector.once("elected", ({ term }) => resolve(term)));
const lost = new Promise<void>((resolve) => elector.once("stopped", () => resolve()));
const running = elector.run();
assert.equal(elector.isLeader(), false);
lock.grant(); // the other one releases
console.log(`elected in term ${await elected}`);
lock.takeAway("a-third-one");
await lost;
assert.equal(elector.isLeader(), false);
assert.deepEqual(stopped, ["taken"]);
assert.equal(lock.record?.holderIdentity, "a-third-one");
console.log(`lost it (${stopped.join()}), and the calls were: ${lock.calls.join(", ")}`);
await elector.stop();
await running;
assert.deepEqual(mails, ["mail in term 7", "mail in term 2"]);
