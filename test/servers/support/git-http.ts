// Started by git-server.ts: smart HTTP over loopback, as a web server does it with `git http-backend` as CGI program.
// Arguments: port and folder of the repositories. Below /private/ it asks for user "ada" and the password in
// GIT_TEST_PASSWORD; below /readonly/ it refuses pushes with 403; below /busy/ it answers 429, below /moved/ 302.
import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const [port = "", root = ""] = process.argv.slice(2);
const allowed = `Basic ${Buffer.from(`ada:${process.env["GIT_TEST_PASSWORD"] ?? ""}`).toString("base64")}`;

function refusal(request: IncomingMessage, url: URL): [number, Record<string, string>] | undefined {
  if (url.pathname.startsWith("/private/") && request.headers.authorization !== allowed) {
    return [401, { "www-authenticate": 'Basic realm="git"' }];
  }
  const pushes = url.pathname.endsWith("/git-receive-pack") || url.search.includes("git-receive-pack");
  if (url.pathname.startsWith("/readonly/") && pushes) return [403, {}];
  if (url.pathname.startsWith("/busy/")) return [429, { "retry-after": "1" }];
  return url.pathname.startsWith("/moved/") ? [302, { location: `/elsewhere${url.pathname}${url.search}` }] : undefined;
}

function pass(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://localhost");
  const refused = refusal(request, url);
  if (refused !== undefined) return void request.resume().on("end", () => response.writeHead(...refused).end());
  const { headers } = request;
  const given = { HTTP_CONTENT_ENCODING: headers["content-encoding"], CONTENT_LENGTH: headers["content-length"] };
  const backend = spawn("git", ["http-backend"], {
    env: {
      ...process.env,
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: headers["content-type"] ?? "",
      GIT_PROTOCOL: String(headers["git-protocol"] ?? ""),
      REMOTE_USER: "ada",
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(backend.stdin.on("error", () => {}));
  answer(backend.stdout, response);
}

/** Header lines first, `Status:` among them; then the body as it is. */
function answer(from: NodeJS.ReadableStream, response: ServerResponse): void {
  let head = Buffer.alloc(0);
  const take = (data: Buffer): void => {
    head = Buffer.concat([head, data]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    from.off("data", take);
    const lines = head.subarray(0, end).toString("latin1").split("\r\n");
    const fields = lines.map((line): [string, string] => [line.split(": ", 1)[0] ?? "", line.replace(/^[^:]*: /, "")]);
    const status = fields.find(([name]) => name === "Status")?.[1] ?? "200";
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(fields.filter(([name]) => name !== "Status")));
    response.write(head.subarray(end + 4));
    from.pipe(response);
  };
  from.on("data", take).on("end", () => (response.headersSent ? undefined : response.writeHead(500).end()));
}

createServer(pass).listen(Number(port), "127.0.0.1");
