------------------------------- MODULE Lease -------------------------------
(* One lease, contended for by candidates that share nothing but a register with compare-and-swap. Clocks run at      *)
(* different rates, messages are late or lost, processes stand still. Do two ever lead at once?                       *)
(* README.md says what is modelled, what is not, and how to run it.                                                   *)
EXTENDS Integers, Sequences, TLC

CONSTANTS
  Candidates,  \* who campaigns
  Validity,    \* V: how long a leader trusts a write, by its own clock, counted from the sending
  Wait,        \* W: how long the others watch an unchanged record before they replace it, by their own clocks
  Slow, Fast,  \* in one tick of real time a clock moves by Slow .. Fast: by another number at each tick
  MaxWrites,   \* the bound of the search: how many writes are applied
  Broken       \* "none", or the rule that is left out

VARIABLES
  log,    \* the register: the writes that were applied, in order; its version is the length
  since,  \* ticks of real time since the last of them: no candidate can read this, only the promises can
  sent,   \* of each candidate: its writes that it has heard nothing of, each with the time since its sending
  view,   \* ... the newest version that it has received, 0 for none
  age,    \* ... the time since it received that version first
  left,   \* ... how long it still leads
  term,   \* ... the number of its last term
  work,   \* ... whether a step of its work is running
  led,    \* the terms that began, in order, each with its leader
  fence   \* the term, and its leader, whose write the guarded target took last

Nobody == [by |-> "nobody", term |-> 0]
Max(a, b) == IF a > b THEN a ELSE b
Min(a, b) == IF a < b THEN a ELSE b

Version == Len(log)
Free(v) == IF v = 0 THEN TRUE ELSE log[v].kind = "release"
Mine(i, v) == IF Free(v) THEN FALSE ELSE log[v].by = i
Term(v) == IF v = 0 THEN 0 ELSE log[v].term
Held(i) == left[i] > 0

Init ==
  /\ log = <<>> /\ since = 0 /\ led = <<>> /\ fence = Nobody
  /\ sent = [i \in Candidates |-> {}] /\ work = [i \in Candidates |-> FALSE]
  /\ view = [i \in Candidates |-> 0] /\ age = view /\ left = view /\ term = view

-----------------------------------------------------------------------------
(* Sending and applying. A write names the version in view. One that names an older version loses its race whenever   *)
(* it arrives, and teaches only to read, which a candidate may do any time: so it is left out, and so are the others  *)
(* that named the version which a write has replaced. One that is never applied was lost on its way. Two renewals may *)
(* name the same version, when the first was silent for too long; their number tells them apart, as pairs do.         *)

Send(i, kind, t) ==
  LET mine == {s.write : s \in sent[i]}
      write(n) == [by |-> i, kind |-> kind, term |-> t, over |-> Version, number |-> n]
      n == IF write(1) \in mine /\ kind = "renew" THEN 2 ELSE 1
  IN /\ view[i] = Version /\ Version < MaxWrites /\ write(n) \notin mine
     /\ sent' = [sent EXCEPT ![i] = @ \cup {[write |-> write(n), age |-> 0]}]
     /\ UNCHANGED <<log, since, view, age, left, term, work, led, fence>>

Waited(i) == age[i] >= CASE Broken = "no wait" -> 0 [] Broken = "own duration" -> Wait \div 2 [] OTHER -> Wait

Acquire(i) ==  \* at once if the record is free, or what an earlier term of mine has left
  /\ ~Held(i) /\ ~work[i]
  /\ IF Free(view[i]) \/ Mine(i, view[i]) THEN TRUE ELSE Waited(i)
  /\ Send(i, "acquire", Term(view[i]) + 1)

Renew(i) == Held(i) /\ Mine(i, view[i]) /\ Send(i, "renew", term[i])

Release(i) ==
  /\ IF Broken = "release first" THEN TRUE ELSE ~Held(i) /\ ~work[i]
  /\ IF Broken = "release anything" THEN ~Free(view[i]) /\ term[i] > 0 ELSE Mine(i, view[i])
  /\ Send(i, "release", Term(view[i]))

Apply(i) == \E w \in {s.write : s \in sent[i]} :  \* by the register, which compares and swaps in one step
  /\ w.over = Version
  /\ log' = Append(log, w) /\ since' = 0
  /\ sent' = [j \in Candidates |-> {s \in sent[j] : s.write = w \/ s.write.over < Version}]
  /\ UNCHANGED <<view, age, left, term, work, led, fence>>

-----------------------------------------------------------------------------
(* Learning. A write is confirmed by its answer or, if that is lost, by finding it in the register.                   *)

Confirm(i, s) ==
  LET v == s.write.over + 1
      valid == IF Broken = "from the answer" THEN Validity ELSE Validity - s.age  \* counted from the sending
      begins == s.write.kind = "acquire" /\ ~Held(i) /\ ~work[i] /\ view[i] <= v /\ valid > 0
      renews == s.write.kind = "renew" /\ Held(i)
  IN /\ sent' = [sent EXCEPT ![i] = {other \in @ : other.write.over > s.write.over}]
     /\ view' = [view EXCEPT ![i] = Max(@, v)]
     /\ age' = [age EXCEPT ![i] = IF v > view[i] THEN 0 ELSE @]
     /\ left' = [left EXCEPT ![i] = IF begins THEN valid ELSE IF renews THEN Max(@, valid) ELSE @]
     /\ term' = [term EXCEPT ![i] = IF begins THEN s.write.term ELSE @]
     /\ led' = IF begins THEN Append(led, [by |-> i, term |-> s.write.term]) ELSE led
     /\ UNCHANGED <<log, since, work, fence>>

Answer(i) == \E s \in sent[i] : s.write.over < Version /\ Confirm(i, s)

Receive(i) == \E v \in view[i] + 1 .. Version :  \* by a read or a watch, however stale
  IF \E s \in sent[i] : s.write = log[v]
  THEN \E s \in sent[i] : s.write = log[v] /\ Confirm(i, s)
  ELSE /\ view' = [view EXCEPT ![i] = v]
       /\ age' = [age EXCEPT ![i] = 0]  \* the wait begins with the first receipt
       /\ left' = [left EXCEPT ![i] = IF Mine(i, v) THEN @ ELSE 0]  \* taken
       /\ UNCHANGED <<log, since, sent, term, work, led, fence>>

-----------------------------------------------------------------------------
(* The work, and the end of a term.                                                                                   *)

StepBegins(i) ==  \* it has passed the guard
  /\ Held(i) /\ ~work[i] /\ work' = [work EXCEPT ![i] = TRUE]
  /\ UNCHANGED <<log, since, sent, view, age, left, term, led, fence>>

StepEnds(i) ==  \* in time, or long after the term if it does not heed its signal
  /\ work[i] /\ work' = [work EXCEPT ![i] = FALSE]
  /\ UNCHANGED <<log, since, sent, view, age, left, term, led, fence>>

Land == \E n \in 1..Len(led) :  \* a write of a term that began reaches its target: at any time, in any order, and twice
  /\ led[n].term >= fence.term \/ Broken = "no fence"
  /\ fence' = led[n]
  /\ UNCHANGED <<log, since, sent, view, age, left, term, work, led>>

Close(i) ==  \* the end of a drain, during which a leader renews and its steps go on
  /\ Held(i) /\ ~work[i] /\ left' = [left EXCEPT ![i] = 0]
  /\ UNCHANGED <<log, since, sent, view, age, term, work, led, fence>>

Tick == \E moved \in [Candidates -> Slow..Fast] :  \* real time passes; a process that stands does nothing meanwhile
  /\ since' = Min(since + 1, Wait \div Slow)  \* all that S3 needs
  /\ age' = [i \in Candidates |-> IF Free(view[i]) \/ Mine(i, view[i]) THEN 0 ELSE Min(age[i] + moved[i], Wait)]
  /\ sent' = [i \in Candidates |-> {[s EXCEPT !.age = Min(@ + moved[i], Validity)] : s \in sent[i]}]
  /\ left' = [i \in Candidates |-> Max(left[i] - moved[i], 0)]
  /\ UNCHANGED <<log, view, term, work, led, fence>>

Next ==
  \/ Tick \/ Land
  \/ \E i \in Candidates :
       \/ Acquire(i) \/ Renew(i) \/ Release(i) \/ Apply(i) \/ Answer(i) \/ Receive(i)
       \/ StepBegins(i) \/ StepEnds(i) \/ Close(i)

Spec == Init /\ [][Next]_<<log, since, sent, view, age, left, term, work, led, fence>>

-----------------------------------------------------------------------------
(* The promises, by the names that the tests give them.                                                               *)

S1 == \A i, j \in Candidates : i # j => ~(Held(i) /\ Held(j))

S3 == [][LET w == log'[Len(log')] IN  \* a record of another is replaced only after W, even by the fastest clock
  Len(log') > Version /\ ~Free(Version) /\ ~Mine(w.by, Version) => since * Fast >= Wait]_log

S5 ==
  /\ \A m, n \in 1..Len(led) : m < n => led[m].term < led[n].term
  /\ \A v \in 1..Version : log[v].kind = "acquire" => log[v].term > Term(v - 1)

S6 == \A v \in 1..Version : log[v].kind = "release" => Mine(log[v].by, v - 1)

S7 == \A i \in Candidates : \A w \in {s.write : s \in sent[i]} \cup {log[v] : v \in 1..Version} :
  w.by = i /\ w.kind = "release" /\ w.term >= term[i] => ~Held(i) /\ ~work[i]

S12 == [][fence'.term > fence.term]_fence

(* Each of these must be refuted, or the search would prove nothing: the election gets somewhere.                     *)
NoTakeover == \A v \in 1..Version : Free(v) \/ Free(v - 1) \/ Mine(log[v].by, v - 1)
NoHandover == \A v \in 1..Version : IF v < 2 \/ Free(v) THEN TRUE ELSE ~Free(v - 1) \/ log[v].by = log[v - 1].by

Symmetry == Permutations(Candidates)
=============================================================================
