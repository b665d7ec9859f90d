// The metrics of a gateway of several processes: what only the primary knows, and the workers' added up.
import { Registry } from 'prom-client';
import type { Clock } from '../core/ports.ts';
import { type KeyUses, type TakenUses, publishKeyUses } from './key-uses.ts';
import type { Scrape } from './metrics.ts';
import { publishProcess } from './process-metrics.ts';
import { publishValue } from './published.ts';
import { ReloadCounts } from './reload-counts.ts';
import { SummedScrape } from './summed-scrape.ts';
import { type WorkerCounts, publishWorkers } from './worker-counts.ts';

export interface PrimaryMetricsOptions {
  readonly workers: () => WorkerCounts;
  readonly droppedLogLines: () => number;
  readonly clock?: Clock;
}

export class PrimaryMetrics {
  readonly #registry = new Registry();
  readonly #keyUses: KeyUses;
  readonly #summed = new SummedScrape();
  readonly reloads = new ReloadCounts();

  constructor({ workers, droppedLogLines, clock = Date.now }: PrimaryMetricsOptions) {
    const registry = this.#registry;
    this.#keyUses = publishKeyUses(registry, clock);
    this.reloads.publish(registry);
    publishWorkers(registry, workers);
    publishValue(
      registry,
      'counter',
      'portcullis_log_dropped_total',
      'Log lines dropped because their reader did not keep up.',
      droppedLogLines,
    );
    publishProcess(registry);
  }

  /** Counts what a worker has tallied. */
  count({ used, nearLimit }: TakenUses): void {
    for (const [id, uses] of used) this.#keyUses.used.count(id, uses);
    for (const [id, uses] of nearLimit) this.#keyUses.nearLimit.count(id, uses);
  }

  /** Keeps what a worker that has ended had counted. */
  keep(text: string): void {
    this.#summed.keep(text);
  }

  /** @param workers the latest text of each worker that is there */
  async scrape(workers: readonly string[]): Promise<Scrape> {
    const primary = await this.#registry.metrics();
    return { contentType: this.#registry.contentType, text: this.#summed.sum({ primary, workers }) };
  }
}
