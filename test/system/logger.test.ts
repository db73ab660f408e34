// Goal: foreign text cannot forge log lines or steer a terminal, and silence is silent. Method: texts with what
// terminals and log readers act on, and the borders of the length.
import { expect, test } from "vitest";
import { printable, silentLogger } from "../../src/system/logger.ts";

test("plain text stays as it is, in any script", () => {
  for (const text of ["", "worker-1_0b2d", "Grüße 世界 🙂", "a\\nb", "“quoted”"]) expect(printable(text)).toBe(text);
});

test("control characters and the beginnings of terminal sequences are escaped", () => {
  expect(printable("a\nb\r\tc")).toBe("a\\u000ab\\u000d\\u0009c");
  expect(printable("\u001b[2J\u009b31m\u0007")).toBe("\\u001b[2J\\u009b31m\\u0007");
  expect(printable("\u0000\u007f\u0085\u2028\u2029")).toBe("\\u0000\\u007f\\u0085\\u2028\\u2029");
});

test("characters that turn the direction of text, or are not seen at all, are escaped", () => {
  expect(printable("user\u202Etxt.exe")).toBe("user\\u202etxt.exe");
  expect(printable("a\u200Bb\u2066c\uFEFFd")).toBe("a\\u200bb\\u2066c\\ufeffd");
});

test("no control character is left, whichever it is", () => {
  for (let code = 0; code < 0x3000; code += 1) {
    const shown = printable(String.fromCharCode(code));
    expect(shown, `U+${code.toString(16)}`).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  }
});

test("long text is cut, and says so", () => {
  expect(printable("x".repeat(200))).toBe("x".repeat(200));
  expect(printable("x".repeat(201))).toBe(`${"x".repeat(200)}…`);
  expect(printable("abcdef", 3)).toBe("abc…");
  expect(printable("\n".repeat(1_000_000)).length).toBe(200 * 6 + 1);
});

test("the default logger takes every call and says nothing", () => {
  for (const level of ["debug", "info", "warn", "error"] as const) {
    expect(silentLogger[level]("message", { field: 1 })).toBeUndefined();
  }
});
