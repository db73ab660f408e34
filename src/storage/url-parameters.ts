import { printable } from "../system/logger.ts";

/** One parameter of a storage URL: how its text is read, and what it is if the URL does not name it. */
export type Parameter =
  | { readonly type: "integer"; readonly default: number | undefined; readonly least?: number; readonly most?: number }
  /** `on` or `off`. */
  | { readonly type: "flag"; readonly default: boolean }
  /** A file mode in octal digits, like `0600`. */
  | { readonly type: "mode"; readonly default: number }
  | { readonly type: "choice"; readonly default: string; readonly of: readonly string[] }
  | { readonly type: "text"; readonly default: string | undefined };

/** What a driver declares: its parameters by name. */
export type ParameterTable = Readonly<Record<string, Parameter>>;

/** The values of a table's parameters. */
export type ParameterValues<T extends ParameterTable> = {
  readonly [K in keyof T]: T[K] extends { readonly type: "choice"; readonly of: readonly (infer C)[] }
    ? C
    : T[K] extends { readonly type: "flag" }
      ? boolean
      : T[K] extends { readonly type: "integer" | "mode" }
        ? number | Extract<T[K]["default"], undefined>
        : string | Extract<T[K]["default"], undefined>;
};

type SharedInteger = Extract<Parameter, { readonly type: "integer" }>;

/** The parameters that every storage has. A driver that repeats one with another default replaces it. */
export const sharedParameters: {
  readonly timeoutMs: SharedInteger;
  readonly pollMs: SharedInteger;
  readonly maxValueBytes: SharedInteger;
  readonly probe: {
    readonly type: "choice";
    readonly default: "auto";
    readonly of: readonly ["auto", "always", "never"];
  };
} = {
  timeoutMs: { type: "integer", default: undefined, least: 1, most: 3_600_000 },
  pollMs: { type: "integer", default: undefined, least: 10, most: 3_600_000 },
  maxValueBytes: { type: "integer", default: undefined, least: 1 },
  probe: { type: "choice", default: "auto", of: ["auto", "always", "never"] },
};

/** The value of one parameter, or what is wrong with its text. */
export function parseParameter(
  parameter: Parameter,
  text: string,
): { readonly value: unknown } | { readonly problem: string } {
  const wrong = (expected: string): { readonly problem: string } => ({
    problem: `("${printable(text, 40)}") must be ${expected}`,
  });
  switch (parameter.type) {
    case "integer": {
      const { least = 0, most = Number.MAX_SAFE_INTEGER } = parameter;
      const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
      if (value >= least && value <= most) return { value };
      return wrong(`an integer of at least ${least}${parameter.most === undefined ? "" : ` and at most ${most}`}`);
    }
    case "flag":
      return text === "on" || text === "off" ? { value: text === "on" } : wrong("on or off");
    case "mode":
      return /^0?[0-7]{3}$/.test(text) ? { value: Number.parseInt(text, 8) } : wrong("octal digits, like 0600");
    case "choice":
      return parameter.of.includes(text) ? { value: text } : wrong(`one of ${parameter.of.join(", ")}`);
    case "text":
      return text === "" ? { problem: "is empty" } : { value: text };
  }
}
