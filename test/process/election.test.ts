// Goal: one leader at a time, and the next one in time, when processes die, stand still, end and restart. Method: real
// processes run the built package on file storage with short leases; what their guarded work did to a journal is
// checked by true time, on the one monotonic clock that the processes of a machine share.
import "./election-candidates.ts";
import "./election-clocks.ts";
import "./election-kills.ts";
import "./election-signals.ts";
import "./election-stops.ts";
