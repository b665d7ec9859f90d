// Metrics whose values live elsewhere, in typed arrays and plain counters, and are read when somebody
// scrapes: prom-client's own `inc` looks its labels up by a built string each time, which costs more than
// the whole decision about a warm key. prom-client keeps the registry and the text format.
import type { Metric, Registry } from 'prom-client';
import type { Buckets, Labels } from './buckets.ts';

/** One series of a counter or gauge, as it stands at the scrape. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Registers a counter or a gauge that is read at the scrape. */
export function publish(
  registry: Registry,
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: () => Iterable<Sample>,
): void {
  register(registry, type, name, help, () => [...read()]);
}

/** Registers a counter or a gauge without labels; `undefined` publishes no value. */
export function publishValue(
  registry: Registry,
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: () => number | undefined,
): void {
  register(registry, type, name, help, () => {
    const value = read();
    return value === undefined ? [] : [{ labels: NO_LABELS, value }];
  });
}

/** Registers a histogram that is read at the scrape. */
export function publishHistogram(registry: Registry, name: string, help: string, read: () => Iterable<Buckets>): void {
  register(registry, 'histogram', name, help, () => {
    const lines: Line[] = [];
    for (const buckets of read()) appendHistogram(lines, name, buckets);
    return lines;
  });
}

const NO_LABELS: Labels = {};

/** What prom-client's registry writes as one line. */
interface Line {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
  readonly sharedLabels?: Labels;
}

function appendHistogram(lines: Line[], name: string, { labels, bucketLabels, counts, sum }: Buckets): void {
  let total = 0;
  for (const [at, sharedLabels] of bucketLabels.entries()) {
    total += counts[at]!;
    lines.push({ metricName: `${name}_bucket`, labels: NO_LABELS, sharedLabels, value: total });
  }
  lines.push({ metricName: `${name}_sum`, labels: NO_LABELS, sharedLabels: labels, value: sum });
  lines.push({ metricName: `${name}_count`, labels: NO_LABELS, sharedLabels: labels, value: total });
}

/** The registry asks a metric for `name` and `get()` only, but its type asks for one of its own classes. */
function register(registry: Registry, type: string, name: string, help: string, read: () => Line[]): void {
  const metric = { name, help, type, get: () => Promise.resolve({ name, help, type, values: read() }) };
  registry.registerMetric(metric as unknown as Metric);
}
