/** Cuts a byte stream into lines; a rest without an end of line is kept for the next piece. */
export function lineReader(onLine: (line: string) => void): (piece: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (piece) => {
    let bytes = Buffer.concat([rest, piece]);
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10)) {
      const line = bytes.subarray(0, end).toString("utf8");
      bytes = bytes.subarray(end + 1);
      onLine(line);
    }
    rest = bytes;
  };
}
