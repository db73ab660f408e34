/** What can be written as YAML here: data as JSON has it. */
export type YamlValue =
  string | number | boolean | readonly YamlValue[] | { readonly [key: string]: YamlValue | undefined };

/** Writes data as YAML, in one way only, so that two texts of equal data are equal. Empty lists are written as `[]`. */
export function yamlText(value: YamlValue): string {
  return `${linesOf(value).join("\n")}\n`;
}

function linesOf(value: YamlValue): readonly string[] {
  if (isList(value)) return value.length === 0 ? ["[]"] : value.flatMap((item) => prefixed("- ", linesOf(item)));
  if (typeof value !== "object") return [scalar(value)];
  const entries = Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [{ key, inner }]));
  if (entries.length === 0) return ["{}"];
  return entries.flatMap(({ key, inner }) => {
    const lines = linesOf(inner);
    return isNested(inner) ? [`${scalar(key)}:`, ...indented(lines)] : [`${scalar(key)}: ${lines.join("")}`];
  });
}

function isNested(value: YamlValue): boolean {
  if (isList(value)) return value.length > 0;
  return typeof value === "object" && Object.values(value).some((inner) => inner !== undefined);
}

function isList(value: YamlValue): value is readonly YamlValue[] {
  return Array.isArray(value);
}

function prefixed(mark: string, [first = "", ...rest]: readonly string[]): readonly string[] {
  return [`${mark}${first}`, ...indented(rest)];
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`);
}

/** Words that a reader of YAML 1.1 takes for something else than text. */
const reserved: ReadonlySet<string> = new Set(["true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"]);

/** Bare where that is certainly text; else in the quotes that need no escape, or as in JSON, which YAML reads. */
function scalar(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const bare = /^[A-Za-z./][\w ./()~-]*[\w)]$|^[A-Za-z]$/.test(value) && !reserved.has(value.toLowerCase());
  if (bare) return value;
  return /"/.test(value) && !/['\\\p{C}\u2028\u2029]/u.test(value) ? `'${value}'` : JSON.stringify(value);
}
