import { printable } from "../../system/logger.ts";
import { defaultGroup } from "../../kubernetes/multi-cluster-lease.ts";
import { multiClusterLeaseCrd } from "../../kubernetes/multi-cluster-lease-crd.ts";
import type { Command, Invocation } from "../command.ts";
import { exitCodes } from "../exit-codes.ts";
import { UsageError } from "../usage-error.ts";

const nameOfDns = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$/;

/** `tenure crd` */
export const crdCommand: Command = {
  usage: "crd [flags]",
  says: "Prints the definition of MultiClusterLease (a CRD), for kubectl apply -f -. It touches no cluster.",
  example: "tenure crd | kubectl apply -f -",
  flags: { group: { value: "GROUP", says: `another API group, with a dot in it (${defaultGroup})` } },
  run({ flags, output }: Invocation): Promise<number> {
    if (flags.names.length > 0) throw new UsageError(`takes no name; "${printable(flags.names[0] ?? "", 40)}" is one.`);
    const group = flags.text("group") ?? defaultGroup;
    if (!nameOfDns.test(group)) {
      throw new UsageError(`--group: "${printable(group, 80)}" is no DNS name of a-z, 0-9, "-" with a dot.`);
    }
    output.line(multiClusterLeaseCrd(group).trimEnd());
    return Promise.resolve(exitCodes.done);
  },
};
