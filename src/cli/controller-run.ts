import { MultiClusterLeaseController } from "../controller/controller.ts";
import { ControllerServer } from "../controller/server.ts";
import type { ProgramSettings } from "../controller/settings.ts";
import { startupChecks, type StartupFinding } from "../controller/startup-checks.ts";
import { errorCode } from "../errors.ts";
import { ClusterQuestions } from "../kubernetes/cluster-questions.ts";
import { loadKubeConfig } from "../kubernetes/kube-config.ts";
import { openKubernetesClient } from "../kubernetes/kubernetes-client.ts";
import type { KubeConfigLike } from "../kubernetes/kubernetes-credentials.ts";
import type { KubernetesClient } from "../kubernetes/kubernetes-resources.ts";
import { defaultGroup } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseStorage } from "../storage/lease-storage.ts";
import { openStorage } from "../storage/registry.ts";
import type { StorageConnection } from "../storage/wrapped-lease-storage.ts";
import { sleep } from "../system/clock.ts";
import { systemRandom } from "../system/random.ts";
import { prometheusMetrics } from "../telemetry/prometheus.ts";
import type { Invocation } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { listenToStopSignals } from "./stop-signals.ts";

/** What a run is made of. */
interface Running extends Pick<Invocation, "clock" | "log"> {
  readonly settings: ProgramSettings;
  readonly storage: LeaseStorage;
  readonly client: KubernetesClient;
  readonly kubeConfig: KubeConfigLike;
  /** Falls at the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
}

/** How long closing connections may take at the end. */
const closePatienceMs = 1_000;
const reopenPauseMs = 5_000;

/** Opens storage and cluster, looks whether all is there, and runs until a signal; resolves with the exit code. */
export async function runController(settings: ProgramSettings, { clock, log }: Invocation): Promise<number> {
  const stopping = new AbortController();
  listenToStopSignals((signal) => {
    log.info(`${signal}: ending; workloads keep their locks`);
    stopping.abort(new Error(signal));
  });
  const { kubeconfig: file, context, allowExecCredentials, storageUrl } = settings;
  const kubeConfig = await loadKubeConfig({ file, context });
  const client = await openKubernetesClient({ kubeConfig, allowExecCredentials, clock });
  const storage = await openPatiently(storageUrl, { clock, log, signal: stopping.signal }).catch(
    async (error: unknown) => {
      await client.close();
      throw error;
    },
  );
  if (storage === undefined) {
    await client.close();
    return exitCodes.done;
  }
  const running: Running = { settings, storage, client, kubeConfig, clock, log, signal: stopping.signal };
  try {
    const failures = await failuresOf(running);
    if (failures.length === 0) return await serve(running);
    return failures.some(({ code }) => code === "ACCESS_DENIED") ? exitCodes.accessDenied : exitCodes.failed;
  } finally {
    // A storage that hangs must not hold the exit.
    await Promise.race([Promise.all([storage.close(), client.close()]), sleep(clock, closePatienceMs)]);
  }
}

/**
 * Opens the storage, again and again while it cannot be reached: a restart in an outage is not to wait for the pauses
 * of a crash loop. `undefined`: a stop was asked for.
 */
async function openPatiently(
  url: string,
  { clock, log, signal }: Pick<Running, "clock" | "log" | "signal">,
): Promise<StorageConnection | undefined> {
  for (;;) {
    try {
      return await openStorage(url, { clock, logger: log });
    } catch (error) {
      const code = errorCode(error);
      if (code !== "STORAGE_UNAVAILABLE" && code !== "OUTCOME_UNKNOWN") throw error;
      log.warn(`the storage cannot be opened, and is tried again: ${error instanceof Error ? error.message : ""}`);
    }
    const isStopped = await sleep(clock, reopenPauseMs, signal).then(
      () => false,
      () => true, // a stop was asked for
    );
    if (isStopped) return undefined;
  }
}

/** What keeps the controller from its work; all that was found is logged. */
async function failuresOf({
  settings,
  storage,
  client,
  kubeConfig,
  clock,
  log,
}: Running): Promise<readonly StartupFinding[]> {
  const { controller, allowExecCredentials } = settings;
  await using questions = new ClusterQuestions({ kubeConfig, allowExecCredentials, clock, random: systemRandom });
  const findings = await startupChecks({
    ...{ client, storage },
    allows: (right) => questions.allows(right),
    group: controller.group ?? defaultGroup,
    namespaces: controller.namespaces ?? [""],
    leaseName: controller.leaseName ?? "tenure-controller",
    leaseNamespace: controller.leaseNamespace ?? "default",
    pollIntervalMs: controller.pollIntervalMs ?? 2_000,
  });
  for (const finding of findings) log[levels[finding.level]](textOf(finding));
  return findings.filter(({ level }) => level === "failure");
}

const levels = { ok: "info", warning: "warn", failure: "error" } as const;

function textOf({ check, found, repair }: StartupFinding): string {
  return `${check}: ${found}${repair === undefined ? "" : `; repair: ${repair}`}`;
}

async function serve({ settings, storage, client, clock, log, signal }: Running): Promise<number> {
  const controller = new MultiClusterLeaseController({
    client,
    storage,
    settings: settings.controller,
    clock,
    logger: log,
  });
  const metrics = prometheusMetrics(controller.elector);
  const server = new ControllerServer({ controller, clock, moreMetrics: () => metrics.text() });
  const following = [
    controller.elector.on("elected", ({ term }) => log.info(`this replica writes now (term ${term})`)),
    controller.elector.on("stopped", ({ reason }) => log.info(`this replica writes no more (${reason})`)),
  ];
  try {
    if (settings.http !== undefined) log.info(`listening on port ${await server.listen(settings.http)}`);
    log.info(`${storage.description ?? "the storage"}, ${client.description}`);
    const ended = controller.run({ signal }).then(() => exitCodes.done);
    return await Promise.race([ended, tooLate(settings, { clock, signal })]);
  } catch (error) {
    if (errorCode(error) === "EADDRINUSE") log.error("the port of --http-addr is in use");
    throw error;
  } finally {
    for (const end of following) end();
    metrics.close();
    await server.close();
  }
}

/** Settles once a graceful end has taken too long. */
async function tooLate(
  { shutdownTimeoutMs }: ProgramSettings,
  { clock, signal }: Pick<Running, "clock" | "signal">,
): Promise<number> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await sleep(clock, shutdownTimeoutMs);
  return exitCodes.failed;
}
