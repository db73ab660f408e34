import { linkSignals } from "../../system/signals.ts";
import { type Command, type Invocation, placeFlags, resultFlags } from "../command.ts";
import { exitCodes } from "../exit-codes.ts";
import { leaseDocument, leaseRow } from "../lease-report.ts";
import type { LeaseView } from "../lease-observer.ts";
import { observerFlags, patientObserverOf } from "../observers.ts";
import { isoTime } from "../output.ts";
import { openPlace } from "../place.ts";
import { UsageError } from "../usage-error.ts";

/** `tenure watch NAME …` */
export const watchCommand: Command = {
  usage: "watch NAME … [flags]",
  says: "Prints one line for each lease, then one for each change of its holder or state, until it is interrupted.",
  example: "tenure watch billing --storage file:///srv/tenure --json | jq .holder",
  flags: { ...placeFlags, ...observerFlags, ...resultFlags },
  async run(invocation: Invocation): Promise<number> {
    const { flags, log, clock, signal } = invocation;
    const names = [...new Set(flags.names)];
    if (names.length === 0) throw new UsageError("which lease? Write: tenure watch NAME …");
    await using place = await openPlace(flags, { clock, logger: log, probe: "never" });
    const stop = linkSignals(signal);
    const follow = async (name: string): Promise<void> => {
      for await (const view of patientObserverOf(name, place, invocation).follow(stop.signal))
        printLine(view, invocation);
    };
    try {
      await Promise.all(names.map(follow));
    } finally {
      stop.abort(new Error("one of the leases cannot be watched"));
      stop.unlink();
    }
    return exitCodes.done;
  },
};

function printLine(view: LeaseView, { output, clock }: Invocation): void {
  const time = isoTime(clock.wallMs());
  if (output.json) return output.document({ time, ...leaseDocument(view, clock) }, { oneLine: true });
  const [name, state, holder, term] = leaseRow(view, clock, output);
  const problem = view.problem === undefined ? "" : `  ${view.problem}`;
  const facts = view.observed === undefined ? "" : `  ${holder ?? ""}  term ${term ?? ""}`;
  output.line(`${output.paint("dim", time)}  ${name ?? ""}  ${state ?? ""}${facts}${problem}`);
}
