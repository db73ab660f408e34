const lineFeed = 0x0a;

/**
 * Splits what arrives into lines, without their ends; empty ones are left out. A piece is read when the lines before it
 * were taken, so a slow reader slows the sender.
 *
 * A line of more than `limitBytes`, and a last one without its end, is `undefined`, and the last that is told: what
 * follows is not read.
 */
export async function* kubernetesLines(
  source: AsyncIterable<Buffer>,
  limitBytes: number,
): AsyncGenerator<string | undefined, void, undefined> {
  let held: Buffer[] = [];
  let length = 0;
  for await (const piece of source) {
    let start = 0;
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, start)) {
      const rest = piece.subarray(start, end);
      start = end + 1;
      if (length + rest.length > limitBytes) return yield undefined;
      const line = Buffer.concat([...held, rest]).toString("utf8");
      [held, length] = [[], 0];
      if (line.trim() !== "") yield line;
    }
    if (start < piece.length) held.push(piece.subarray(start));
    length += piece.length - start;
    if (length > limitBytes) return yield undefined;
  }
  if (length > 0) yield undefined;
}
