import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority made for one test file by openssl, and what it signed: a server on loopback, and a client. */
export interface Certificates {
  readonly ca: string;
  readonly server: Certificate;
  readonly client: Certificate;
}

/** Makes new ones, so that two calls give two authorities that do not know each other. */
export function makeCertificates(serverName = "localhost"): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "tenure-certificates-"));
  const openssl = (...parts: string[]): void => void execFileSync("openssl", parts, { cwd: folder, stdio: "pipe" });
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const sign = (name: string, ...extensions: string[]): Certificate => {
    const more = extensions.flatMap((extension) => ["-addext", extension]);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-x509", "-days", "2"];
    openssl("req", ...key, ...by, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`, ...more);
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
  };
  try {
    openssl("req", "-x509", ...key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority");
    const names = serverName === "localhost" ? "DNS:localhost,IP:127.0.0.1" : `DNS:${serverName}`;
    return { ca: read("ca.pem"), server: sign("server", `subjectAltName=${names}`), client: sign("client") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
