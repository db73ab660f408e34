/** One way in which things go wrong, and what is promised then. */
export interface ScenarioRow {
  readonly number: number;
  readonly fault: string;
  readonly expected: string;
  /** Why no test carries the number yet. */
  readonly notHere?: string;
}

/**
 * The scenarios of the elector itself, of the storages that come with it, and of watches. Numbers are never given anew.
 */
export const scenarioRows: readonly ScenarioRow[] = [
  row(1, "the leader's wall clock steps an hour ahead, and back", "same leader; held again after one round trip"),
  row(2, "the same on a standby, and then the leader dies", "the takeover comes neither early nor late"),
  row(3, "the leader's clock is 8 % fast, those of the standbys 8 % slow, or the reverse", "no overlap"),
  row(4, "clocks 20 % off, then 30 %, which is beyond the bound", "no overlap; then the checker has to find some"),
  row(5, "wall clocks that are years apart", "no effect at all"),
  row(6, "a suspend of 60 s, in which the monotonic clock stands", "not held at the first call, before any step"),
  row(7, "all clocks stand for 30 s, then wall time jumps", "suspect, demoted; a step under way is fenced"),
  row(8, "all clocks stand for 30 s, without a jump", "may overlap; the fence takes nothing of the old term"),
  row(9, "a monotonic clock in steps of 10 ms", "nothing expires early; no two writes have the same time"),
  row(10, "leases of 2³¹ ms, 1 500.5 ms, 900 ms", "rejected; exact; stored rounded up; no timer too long"),
  row(11, "clocks that drift by 500 ppm, and are slewed, for 8 h", "nothing happens"),
  row(12, "the answer of an applied renewal is 9.8 s late, then silence", "stops 10 s after the sending"),
  row(13, "answers late for an hour: by 0.4 V; writes' by 0.9 V; all by 1.1 V", "one term; steps down; never starts"),
  row(14, "requests lost, answers lost, both", "settled by the pair; validity never counts from the reading"),
  row(15, "an answer is lost, and a proxy repeats the request", "the lost race against oneself is recognised"),
  row(16, "a black hole between leader and storage, without a reset", "stops in time; sockets are destroyed"),
  row(17, "connections reset or refused, names not resolved", "paced tries"),
  row(18, "the leader's writes arrive, their answers do not", "it steps down; others wait from the last applied one"),
  row(19, "a partition heals at the expiry, the takeover, the release", "the new record is untouched"),
  row(20, "an answer's body comes at one byte a second", "cut at the deadline of the call"),
  row(21, "the server restarts, pooled connections are dead", "the next try uses a new one, same term"),
  row(22, "429 or 503 with a `Retry-After` beyond the validity", "demoted in time; the header is honoured afterwards"),
  row(23, "the answer of an older renewal comes after that of a newer one", "validity never goes back"),
  row(24, "a replica answers with older records", "a lost race or an early renewal; the leader stays"),
  row(25, "401 in the middle of a term; new credentials take 8 s", "the deadline keeps running"),
  row(26, "the leader's process stands past the lease, and goes on", "the first look says no; no step is accepted"),
  row(27, "it stands between the check and the write", "the fence rejects the write"),
  row(28, "the leader's process is killed", "a standby takes over in time, with a larger term"),
  row(29, "SIGTERM, and the work needs a second", "signal, end of the work, release, the next one at once"),
  row(30, "SIGTERM while acquiring, while renewing, twice", "no orphaned lease; one release; no stop without start"),
  row(31, "the event loop is blocked past the validity", "the next guarded step is refused, its signal aborted"),
  row(32, "heap snapshots, long collections", "as 31"),
  row(33, "a second process with the same label, with the same identity", "waits for the lease; warns"),
  row(34, "a restart with the same label after a crash", "waits for the lease; a new term"),
  row(35, "an uncaught exception in the work", "the term ends; no release while a step may run"),
  row(37, "a kill during the release", "the lease expires, or was released; no overlap"),
  row(38, "a leader's process has nothing else to do, or exits", "lives on; keeps its lease until expiry"),
  row(39, "two write at the same instant", "one wins; the other waits from the winner's record"),
  row(40, "fifty candidates: the leader dies, or releases", "one winner, few attempts"),
  row(41, "a foreign candidate waits for 3 s only", "the leader is demoted at the lost race; ours wait 15 s"),
  row(42, "a stop while a renewal is under way, in both orders", "released"),
  row(43, "a release that is delayed past a takeover", "the takeover stands"),
  row(44, "the record is deleted under the leader", "lost; a larger term; no overlap of those who saw a record"),
  row(45, "… and created by another", "lost; a smaller term raises an alarm"),
  row(46, "work that ignores the abort", "no release, no new term here meanwhile, `WorkOverrunError`"),
  row(47, "the work throws, rejects, returns, never ends", "back-off; as `whenWorkReturns` says; runs on"),
  row(48, "`stop()` before `run`, twice, inside each callback", "settles"),
  row(49, "one lock in two electors; two locks on one lease", "an error; two candidates"),
  row(50, "a lost race, after which one's own pair is read", "the term is kept, from the sending of that write"),
  row(51, "a hint of one's own write comes before its answer", "confirmed early, no transition"),
  row(52, "a watch is dead for 60 s, and does not say so", "no takeover; polling fills; it is opened again"),
  row(53, "leases of 60 s are rolled out as 15 s, one by one", "the stored duration is honoured"),
  row(54, "candidates that run client-go share the Lease", "taken over both ways; no overlap of our making"),
  row(55, "a stored duration of 0, −1, 10⁹, text, null, NaN, none", "never expired at once; alarm; never a theft"),
  row(56, "cut JSON, `{}`, a byte order mark, an array, 5 MB", "bounded read, unknown holder, alarm, no takeover"),
  row(57, "keys `__proto__`, `constructor`", "kept as data; no prototype is touched"),
  row(58, "an identity of 10 kB, with newlines, escapes, `%s`", "cut and escaped wherever people read it"),
  row(59, "a hundred edits of the record each second", "no takeover postponed, no renewal starved"),
  row(60, "keys with `..`, `%2e`, backslash, NUL, 2 kB, `A` and `a`, `con`", "refused, or stored apart"),
  row(61, "on file storage: a symbolic link, a FIFO, a directory", "refused, never followed"),
  row(62, "metacharacters in keys, schemas and channels of SQL and Redis", "they travel as data, and do nothing"),
  row(63, "every error of a driver, with all logs captured", "no secret in any of them"),
  row(
    64,
    "Redis restarts empty or old, or fails over to a replica that lags",
    "an alarm; no smaller term is led after a larger one was seen",
  ),
  row(
    65,
    "PostgreSQL is killed during renewals, or its connections are swapped",
    "unknown outcomes settled; no term lost",
  ),
  row(66, "the server of the storage stands for longer than the lease", "the leader steps down; one leads after"),
  row(
    67,
    "Google Cloud Storage takes one write a second of an object, or 429",
    "writes a second apart; nobody starves the leader",
  ),
  row(68, "on S3: 409, 412, and equal bytes, whose ETags are equal too", "lost races; the past never matches again"),
  row(69, "on file storage: a kill between any two steps, a full disk, read-only", "the old value or the new one"),
  row(70, "the record is restored from an hour ago", "alarm; the next term is above the highest ever seen"),
  row(71, "controllers whose clocks are five minutes apart", "nothing is taken over early: ages are observed"),
  row(72, "a challenger in another cluster declares one second", "waits for the holder's duration"),
  row(
    73,
    "two pods of one cluster overwrite each other's signals",
    "each signal counts; only one that was written confirms",
  ),
  row(
    74,
    "a controller dies between the global write and the status, and its successor's watch lags",
    "no signal is written twice; a release of an earlier term frees nothing",
  ),
  row(75, "a candidate dies with its controller, which is back in 3 s", "the next leads in time; a live leader stays"),
  row(76, "a release, or a deletion, in one cluster", "the record is freed; the other cluster leads within P + 2 s"),
  row(77, "the storage of all clusters is down for an hour", "all step down; no flapping; back soon after"),
  row(78, "a signal from the future; a flood of edits", "nothing is extended; nothing is written"),
  row(81, "the history that a watch goes on from is gone", "a list takes its place, deletions included"),
  row(82, "between a list and its watch events are lost, doubled, reordered", "none is missed, none counts twice"),
];

function row(
  number: number,
  fault: string,
  expected: string,
  options: { readonly notHere?: string } = {},
): ScenarioRow {
  return { number, fault, expected, ...options };
}
