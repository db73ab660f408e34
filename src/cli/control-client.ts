import type { ClientRequest, IncomingMessage } from "node:http";

/** What a control socket answered. */
export interface ControlAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Asks the `tenure run` that listens at `socketPath`. @throws if nobody does. */
export async function askControl(
  { socketPath, method, path }: { readonly socketPath: string; readonly method: "GET" | "POST"; readonly path: string },
  signal?: AbortSignal,
): Promise<ControlAnswer> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = request({ socketPath, method, path, ...(signal && { signal }) }, (response) => {
      bodyOf(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function bodyOf(response: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = "";
  for await (const piece of response.setEncoding("utf8")) text += String(piece);
  const parsed: unknown = JSON.parse(text);
  return Object(parsed) as Record<string, unknown>; // cast: Object() makes an object of whatever was parsed
}
