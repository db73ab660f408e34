/** The reversed polynomial of Castagnoli. */
const polynomial = 0x82f63b78;

const table: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomial : 0);
  return remainder;
});

/** The CRC32C of these bytes as Google writes it: big-endian, in base64. */
export function crc32c(bytes: Uint8Array): string {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (table[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  const written = new DataView(new ArrayBuffer(4));
  written.setUint32(0, (sum ^ 0xffffffff) >>> 0);
  return Buffer.from(written.buffer).toString("base64");
}
