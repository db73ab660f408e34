import type { Edit } from "./mutant.ts";

/**
 * The texts of the files after all edits, in their order.
 *
 * @throws {Error} that names the first edit whose `find` is not there exactly once, or which changes nothing.
 */
export function applied(edits: readonly Edit[], texts: ReadonlyMap<string, string>): Map<string, string> {
  const changed = new Map(texts);
  for (const { file, find, replace } of edits) {
    const text = changed.get(file);
    if (text === undefined) throw new Error(`${file} does not exist`);
    const count = text.split(find).length - 1;
    const shown = JSON.stringify(find.length > 80 ? `${find.slice(0, 80)}...` : find);
    if (count !== 1) throw new Error(`${file} has ${shown} ${count} times; a mutant needs it once`);
    if (find === replace) throw new Error(`${file}: the edit of ${shown} changes nothing`);
    changed.set(
      file,
      text.replace(find, () => replace),
    ); // a function: "$" in the text is no pattern
  }
  return changed;
}
