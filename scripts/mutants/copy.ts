import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Edit } from "../../test/simulation/mutants/mutant.ts";
import { applied } from "../../test/simulation/mutants/applied.ts";

const copied = ["src", "test", "package.json", "tsconfig.json", "tsconfig.all.json", "vitest.config.ts"];

/** A copy of the code in a folder of its own, in which mutants are tried one after the other. */
export class Copy {
  readonly folder: string;

  constructor(root: string) {
    this.folder = mkdtempSync(join(tmpdir(), "tenure-mutants-"));
    for (const name of copied) cpSync(join(root, name), join(this.folder, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"), "junction");
  }

  /**
   * Applies all edits; the returned function takes them back.
   *
   * @throws {Error} that names the edit which no longer applies; then nothing has changed.
   */
  mutate(edits: readonly Edit[]): () => void {
    const before = new Map(edits.map(({ file }) => [file, readFileSync(join(this.folder, file), "utf8")]));
    for (const [file, text] of applied(edits, before)) writeFileSync(join(this.folder, file), text);
    return () => {
      for (const [file, text] of before) writeFileSync(join(this.folder, file), text);
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
