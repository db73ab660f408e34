/** The labels of one series. Values are configured names or words of a closed list, never identities: these grow. */
export type Labels = Readonly<Record<string, string>>;

/** All series of one metric. */
export interface MetricFamily {
  /** Prometheus' text format, with a line break after each line. */
  text(): string;
}

/** What a metric is called, and what it tells. */
export interface MetricDescription {
  readonly name: string;
  readonly help: string;
}

/** A number for each set of labels: a counter grows, a gauge is set. */
export class NumberFamily implements MetricFamily {
  readonly #description: MetricDescription;
  readonly #type: "counter" | "gauge";
  readonly #values = new Map<string, number>();

  constructor(type: "counter" | "gauge", description: MetricDescription) {
    this.#type = type;
    this.#description = description;
  }

  add(labels: Labels, amount = 1): void {
    const series = labelText(labels);
    this.#values.set(series, (this.#values.get(series) ?? 0) + amount);
  }

  set(labels: Labels, value: number): void {
    this.#values.set(labelText(labels), value);
  }

  text(): string {
    const { name } = this.#description;
    const lines = [...this.#values].map(([series, value]) => `${name}${inBraces(series)} ${value}\n`);
    return head(this.#description, this.#type) + lines.join("");
  }
}

interface Distribution {
  /** How many values were at most as large as the bucket's bound, by bucket. */
  readonly counts: number[];
  sum: number;
  count: number;
}

/** A distribution for each set of labels, in cumulative buckets. */
export class HistogramFamily implements MetricFamily {
  readonly #description: MetricDescription;
  readonly #bounds: readonly number[];
  readonly #distributions = new Map<string, Distribution>();

  /** `bounds`: the upper bounds of the buckets, growing, without the last one, which is infinite. */
  constructor(bounds: readonly number[], description: MetricDescription) {
    this.#bounds = bounds;
    this.#description = description;
  }

  observe(labels: Labels, value: number): void {
    const found = this.#distributionOf(labels);
    found.sum += value;
    found.count += 1;
    for (const [index, bound] of this.#bounds.entries()) {
      if (value <= bound) found.counts[index] = (found.counts[index] ?? 0) + 1;
    }
  }

  /** Makes the series appear before its first value. */
  touch(labels: Labels): void {
    this.#distributionOf(labels);
  }

  text(): string {
    const { name } = this.#description;
    const lines = [...this.#distributions].map(([series, { counts, sum, count }]) => {
      const bucket = (bound: string, below: number): string => {
        const labels = [...(series === "" ? [] : [series]), `le="${bound}"`].join(",");
        return `${name}_bucket{${labels}} ${below}\n`;
      };
      const finite = this.#bounds.map((bound, index) => bucket(String(bound), counts[index] ?? 0));
      const totals = `${name}_sum${inBraces(series)} ${sum}\n${name}_count${inBraces(series)} ${count}\n`;
      return finite.join("") + bucket("+Inf", count) + totals;
    });
    return head(this.#description, "histogram") + lines.join("");
  }

  #distributionOf(labels: Labels): Distribution {
    const series = labelText(labels);
    const found = this.#distributions.get(series);
    if (found !== undefined) return found;
    const created: Distribution = { counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
    this.#distributions.set(series, created);
    return created;
  }
}

/** Nothing is counted yet. */
export function counter(name: string, help: string): NumberFamily {
  return new NumberFamily("counter", { name, help });
}

/** Nothing is set yet. */
export function gauge(name: string, help: string): NumberFamily {
  return new NumberFamily("gauge", { name, help });
}

/** With these upper bounds of its buckets. */
export function histogram(name: string, bounds: readonly number[], help: string): HistogramFamily {
  return new HistogramFamily(bounds, { name, help });
}

/** Prometheus' text format of all of them. */
export function textOf(families: readonly MetricFamily[]): string {
  return families.map((family) => family.text()).join("");
}

function head({ name, help }: MetricDescription, type: string): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");
}

/** The three characters that would end a value, or its line. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function inBraces(series: string): string {
  return series === "" ? "" : `{${series}}`;
}
