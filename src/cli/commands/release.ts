import { errorCode } from "../../errors.ts";
import { type Command, type Invocation, placeFlags, resultFlags } from "../command.ts";
import { askControl } from "../control-client.ts";
import { exitCodes } from "../exit-codes.ts";
import { forceRelease } from "../forced-release.ts";
import { observerFlags } from "../observers.ts";
import { UsageError } from "../usage-error.ts";

/** `tenure release NAME` */
export const releaseCommand: Command = {
  usage: "release NAME --control SOCKET | --force --term N [flags]",
  says:
    "With --control, has that candidate resign: its command ends, then the lease is free.\n" +
    "With --force, frees the lease of a holder that is dead: only if the record is still the one that was shown,\n" +
    "and did not change for the whole lease duration. Exits with 3 if there is nothing to release, with 4 if the\n" +
    "term moved on or the holder lives.",
  example:
    'tenure release billing --control "$TENURE_CONTROL"\n' +
    "tenure release billing --force --term 7 --storage file:///srv/tenure",
  flags: {
    ...placeFlags,
    ...observerFlags,
    control: { value: "SOCKET", says: "the control socket of a tenure run, its command's TENURE_CONTROL" },
    to: { value: "IDENTITY", says: "with --control: who should take over" },
    force: { says: "free the lease of a dead holder" },
    term: {
      value: "N",
      says: "with --force: the term that was shown; of an unreadable record, the highest that is known",
    },
    version: { value: "V", says: "with --force: the version that was shown, needed for an unreadable record" },
    ...resultFlags,
    yes: { short: "y", says: "do not ask; needed without a terminal" },
  },
  async run(invocation: Invocation): Promise<number> {
    const { flags } = invocation;
    const [name, ...more] = flags.names;
    if (name === undefined || more.length > 0) throw new UsageError("one lease: tenure release NAME …");
    const control = flags.text("control");
    if (flags.on("force")) {
      if (control !== undefined) throw new UsageError("--control and --force exclude each other.");
      return forceRelease(name, invocation);
    }
    if (control !== undefined) return resign(name, control, invocation);
    throw new UsageError(
      "say how: --control SOCKET has a candidate resign, --force --term N frees the lease of a dead one.",
    );
  },
};

async function resign(name: string, socketPath: string, { flags, output, log, signal }: Invocation): Promise<number> {
  const query = new URLSearchParams({ name, wait: "1" });
  const to = flags.text("to");
  if (to !== undefined) query.set("to", to);
  const answer = await askControl({ socketPath, method: "POST", path: `/resign?${query.toString()}` }, signal).catch(
    (error) => {
      if (["ENOENT", "ECONNREFUSED", "ENOTSOCK"].includes(errorCode(error) ?? "")) return undefined;
      throw error;
    },
  );
  if (answer === undefined) {
    log.write(`tenure release: no tenure run listens at ${socketPath}\n`);
    return exitCodes.no;
  }
  const resigned = answer.status === 200;
  const { error } = answer.body;
  const why = typeof error === "string" ? error : "";
  if (output.json) output.document({ name, released: resigned, reason: resigned ? null : why });
  else if (resigned) output.line(`${name}: resigned`);
  if (!resigned) log.write(`tenure release: ${why}\n`);
  if (resigned) return exitCodes.done;
  return answer.status === 409 && answer.body["leads"] === false ? exitCodes.no : exitCodes.refused;
}
