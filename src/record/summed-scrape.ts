// One scrape of several processes. Counters and histograms are added up, those of processes that have ended
// too, so that no series ever goes backwards; for each gauge a table says how.
import { BOUNDS } from '../core/bounds.ts';
import { type Family, readFamilies, writeFamilies } from './scrape-text.ts';

/** How a gauge of several processes becomes one. `own`: the primary's alone. */
type Rule = 'sum' | 'min' | 'max' | 'own';

/** The texts of one moment's scrape. */
export interface Scrapes {
  readonly primary: string;
  /** The latest text of each worker that is there. */
  readonly workers: readonly string[];
}

export class SummedScrape {
  /** What the workers that have ended had counted when they were last heard. */
  readonly #ended = new Map<string, Family>();

  /** The text of all processes together. */
  sum({ primary, workers }: Scrapes): string {
    const own = readFamilies(primary);
    const all = copied(own.values());
    for (const text of workers) for (const family of readFamilies(text).values()) addTo(all, family, own);
    for (const family of this.#ended.values()) addTo(all, family, own);
    return writeFamilies(all.values());
  }

  /** Keeps the counts of a worker that has ended. */
  keep(text: string): void {
    for (const family of readFamilies(text).values()) {
      if (family.type === 'gauge') continue;
      addTo(this.#ended, family, NONE);
      const { series } = this.#ended.get(family.name)!;
      for (const labelled of series.keys()) {
        if (series.size <= BOUNDS.endedSeries) break;
        series.delete(labelled);
      }
    }
  }
}

const NONE: ReadonlyMap<string, Family> = new Map();

function copied(families: Iterable<Family>): Map<string, Family> {
  return new Map([...families].map((family) => [family.name, { ...family, series: new Map(family.series) }]));
}

function addTo(all: Map<string, Family>, family: Family, own: ReadonlyMap<string, Family>): void {
  const rule = ruleOf(family);
  if (rule === 'own' && own.has(family.name)) return;
  let sum = all.get(family.name);
  if (sum === undefined) all.set(family.name, (sum = { ...family, series: new Map() }));
  for (const [labelled, value] of family.series) {
    const before = sum.series.get(labelled);
    sum.series.set(labelled, before === undefined ? value : joined(rule, before, value));
  }
}

function joined(rule: Rule, a: number, b: number): number {
  switch (rule) {
    case 'sum':
      return a + b;
    // Node.js says NaN where it has measured nothing.
    case 'min':
      return Number.isNaN(a) ? b : Math.min(a, Number.isNaN(b) ? a : b);
    case 'max':
      return Number.isNaN(a) ? b : Math.max(a, Number.isNaN(b) ? a : b);
    case 'own':
      return a;
  }
}

function ruleOf({ name, type }: Family): Rule {
  if (type !== 'gauge') return 'sum';
  return GAUGES.get(name) ?? (name.startsWith('nodejs_eventloop_lag_') ? 'max' : 'sum');
}

/** Gauges that are no sum. */
const GAUGES: ReadonlyMap<string, Rule> = new Map([
  // The worst that any process sees is what an operator has to know.
  ['portcullis_store_up', 'min'],
  ['portcullis_upstream_healthy', 'min'],
  // All workers see the same, and they may have looked at different times.
  ['portcullis_keys', 'max'],
  // Always 1; two series mean two configurations or versions.
  ['portcullis_config_info', 'max'],
  ['portcullis_build_info', 'max'],
  ['nodejs_version_info', 'max'],
  // The primary reads the configuration and hands it on.
  ['portcullis_config_last_reload_successful', 'own'],
  ['portcullis_config_last_reload_success_timestamp_seconds', 'own'],
  // A gateway is as old as its primary, and a bound that each process has is no sum.
  ['process_start_time_seconds', 'own'],
  ['process_max_fds', 'own'],
]);
