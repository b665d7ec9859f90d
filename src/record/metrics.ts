// All metrics (SPEC section 6; docs/metrics.md tells what each means). Labels are names from the
// configuration or closed sets, so that no client can make series.
import { Registry, collectDefaultMetrics } from 'prom-client';
import { BOUNDS } from '../core/bounds.ts';
import { KEY_STATES } from '../core/key-record.ts';
import type { Clock, Recorder, RequestRecord, StoreObserver } from '../core/ports.ts';
import { Buckets, OVERHEAD_SCALE, REQUEST_SCALE, STORE_SCALE } from './buckets.ts';
import { KeyCountsRefresher, type KeyCounts } from './key-counts.ts';
import { KeyUsage } from './key-usage.ts';
import { NamedSlots } from './named-slots.ts';
import { type Sample, publish, publishHistogram, publishValue } from './published.ts';
import { RouteCounts } from './route-counts.ts';

/** What happens in the key cache: the `event` label. */
export const CACHE_EVENTS = ['hit', 'miss', 'negative_hit', 'evicted'] as const;
export type CacheEvent = (typeof CACHE_EVENTS)[number];

/** Names that become labels. */
export interface LabelNames {
  readonly routes: readonly string[];
  readonly upstreams: readonly string[];
  readonly limits: readonly string[];
}

/** What is asked for at a scrape, or in the background, because others know it. */
export interface MetricSuppliers {
  /** Asked every few seconds; a scrape never waits for it. */
  readonly keyCounts?: () => Promise<KeyCounts>;
  readonly upstreamStates?: () => readonly UpstreamState[];
  /** Log lines that were dropped because their reader did not keep up. */
  readonly droppedLogLines?: () => number;
}

export interface UpstreamState {
  readonly upstream: string;
  /** Origin of the target, such as `http://127.0.0.1:3000`. */
  readonly target: string;
  readonly isHealthy: boolean;
}

export interface MetricsOptions {
  /** Of Portcullis, for `portcullis_build_info`. */
  readonly version: string;
  readonly nodeVersion: string;
  readonly clock?: Clock;
}

/** One scrape: what `/metrics` answers. */
export interface Scrape {
  readonly contentType: string;
  readonly text: string;
}

/** Makes the metrics of one gateway, in a registry of their own. */
export function createMetrics(options: MetricsOptions): Metrics {
  return new Metrics(options);
}

/** Counts in memory, publishes when scraped. {@link close} ends what it does in the background. */
export class Metrics implements Recorder {
  readonly #registry = new Registry();
  readonly #routes = new NamedSlots((route) => new RouteCounts(route), [NO_ROUTE]);
  readonly #upstreams = new NamedSlots((upstream) => new Buckets(REQUEST_SCALE, { upstream }));
  readonly #nearLimits = new NamedSlots((limit) => ({ labels: { limit }, value: 0 }));
  readonly #operations = new NamedSlots((operation) => ({
    errors: { labels: { operation }, value: 0 },
    durations: new Buckets(STORE_SCALE, { operation }),
  }));
  readonly #overhead = new Buckets(OVERHEAD_SCALE, {});
  readonly #cacheEvents: Record<CacheEvent, number> = { hit: 0, miss: 0, negative_hit: 0, evicted: 0 };
  readonly #keyUsage: KeyUsage;
  readonly #keysNearLimit: KeyUsage;
  #inFlight = 0;
  #isStoreUp = false;
  #tampered = 0;
  #reload = { isSuccessful: false, failures: 0, hash: '', succeededAtMs: 0 };
  #keyCounts: KeyCountsRefresher | undefined;
  #upstreamStates: () => readonly UpstreamState[] = () => [];
  #droppedLogLines: () => number = () => 0;

  constructor({ version, nodeVersion, clock = Date.now }: MetricsOptions) {
    this.#keyUsage = new KeyUsage(BOUNDS.usageLabels, clock());
    this.#keysNearLimit = new KeyUsage(BOUNDS.usageLabels, clock());
    this.#publishRequests(clock);
    this.#publishStore();
    this.#publishGateway(version, nodeVersion);
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED_DEFAULTS) this.#registry.removeSingleMetric(name);
  }

  /** A request has been accepted. */
  began(): void {
    this.#inFlight++;
  }

  /** A request has ended. */
  ended(record: RequestRecord): void {
    this.#inFlight--;
    this.#routes.get(record.route ?? NO_ROUTE).count(record);
    this.#overhead.observeMs(record.overheadMs);
    if (record.upstream !== null && record.upstreamMs !== null)
      this.#upstreams.get(record.upstream).observeMs(record.upstreamMs);
    if (record.keyId !== null) this.#keyUsage.count(record.keyId);
    if (record.nearLimits !== null) {
      for (const limit of record.nearLimits) this.#nearLimits.get(limit).value++;
      if (record.keyId !== null) this.#keysNearLimit.count(record.keyId);
    }
  }

  /** Told of every store operation; what the last one was like is `portcullis_store_up`. */
  readonly storeObserver: StoreObserver = (operation, durationMs, isFault) => {
    const slot = this.#operations.learn(operation, STORE_OPERATIONS);
    slot.durations.observeMs(durationMs);
    if (isFault) slot.errors.value++;
    this.#isStoreUp = !isFault;
  };

  /** The store was found to answer, or not, by other means than an operation. */
  storeUp(isUp: boolean): void {
    this.#isStoreUp = isUp;
  }

  cacheEvent(event: CacheEvent): void {
    this.#cacheEvents[event]++;
  }

  /** A key record with a wrong MAC was met. */
  tampered(): void {
    this.#tampered++;
  }

  /**
   * A configuration was loaded, at the start or later, or refused.
   * @param hash of the configuration in force afterwards
   * @param atMs when, ms since the epoch
   */
  reloaded(isSuccessful: boolean, hash: string, atMs: number): void {
    const { failures, succeededAtMs } = this.#reload;
    this.#reload = isSuccessful
      ? { isSuccessful, failures, hash, succeededAtMs: atMs }
      : { isSuccessful, failures: failures + 1, hash, succeededAtMs };
  }

  /** Takes in the names of a configuration; what has been counted stays. */
  adopt({ routes, upstreams, limits }: LabelNames): void {
    this.#routes.adopt(routes);
    this.#upstreams.adopt(upstreams);
    this.#nearLimits.adopt(limits);
  }

  /** Takes in who knows what is not counted here; what is left out stays as it is. */
  supply({ keyCounts, upstreamStates, droppedLogLines }: MetricSuppliers): void {
    if (keyCounts !== undefined) {
      this.#keyCounts?.stop();
      this.#keyCounts = new KeyCountsRefresher(keyCounts);
    }
    if (upstreamStates !== undefined) this.#upstreamStates = upstreamStates;
    if (droppedLogLines !== undefined) this.#droppedLogLines = droppedLogLines;
  }

  async scrape(): Promise<Scrape> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  close(): void {
    this.#keyCounts?.stop();
  }

  #publishRequests(clock: Clock): void {
    const registry = this.#registry;
    const routes = this.#routes;
    publish(registry, 'counter', 'portcullis_requests_total', 'Requests that have ended.', function* () {
      for (const route of routes) yield* route.requests();
    });
    publish(
      registry,
      'counter',
      'portcullis_decisions_total',
      'Decisions on requests, with their reasons.',
      function* () {
        for (const route of routes) yield* route.decisions();
      },
    );
    publishHistogram(
      registry,
      'portcullis_request_duration_seconds',
      "From a request's head to the end of its answer.",
      () => [...routes].map(({ durations }) => durations),
    );
    publishHistogram(
      registry,
      'portcullis_upstream_duration_seconds',
      "From forwarding to the first byte of the upstream's answer.",
      () => this.#upstreams,
    );
    publishHistogram(registry, 'portcullis_overhead_seconds', 'Time that requests spent in Portcullis itself.', () => [
      this.#overhead,
    ]);
    publishValue(registry, 'gauge', 'portcullis_in_flight_requests', 'Requests under way.', () => this.#inFlight);
    publish(
      registry,
      'counter',
      'portcullis_key_usage_total',
      'Requests by key, for the busiest keys; all others together.',
      () => this.#keyUsage.publish(clock()),
    );
    publish(
      registry,
      'counter',
      'portcullis_limit_near_total',
      'Requests that left less than a tenth of a limit.',
      () => this.#nearLimits,
    );
    publish(
      registry,
      'counter',
      'portcullis_key_near_limit_total',
      'Requests that left less than a tenth of a limit, for the keys with most of them; all others together.',
      () => this.#keysNearLimit.publish(clock()),
    );
  }

  #publishStore(): void {
    const registry = this.#registry;
    publishValue(registry, 'gauge', 'portcullis_store_up', 'Whether the store answered when last asked.', () =>
      Number(this.#isStoreUp),
    );
    publish(registry, 'counter', 'portcullis_store_errors_total', 'Store operations that failed.', () =>
      [...this.#operations].map(({ errors }) => errors),
    );
    publishHistogram(registry, 'portcullis_store_duration_seconds', 'Duration of store operations.', () =>
      [...this.#operations].map(({ durations }) => durations),
    );
    publish(registry, 'counter', 'portcullis_key_cache_events_total', 'What happened in the key cache.', () =>
      CACHE_EVENTS.map((event) => ({ labels: { event }, value: this.#cacheEvents[event] })),
    );
    publish(registry, 'gauge', 'portcullis_keys', 'Keys in the store by state.', () => this.#keysByState());
    publishValue(
      registry,
      'counter',
      'portcullis_tampered_records_total',
      'Key records whose MAC was wrong.',
      () => this.#tampered,
    );
  }

  #publishGateway(version: string, node: string): void {
    const registry = this.#registry;
    publish(registry, 'gauge', 'portcullis_upstream_healthy', 'Whether a target is healthy.', () =>
      this.#upstreamStates().map(({ upstream, target, isHealthy }) => ({
        labels: { upstream, target },
        value: Number(isHealthy),
      })),
    );
    publishValue(
      registry,
      'gauge',
      'portcullis_config_last_reload_successful',
      'Whether the configuration was accepted when last read.',
      () => Number(this.#reload.isSuccessful),
    );
    publishValue(
      registry,
      'gauge',
      'portcullis_config_last_reload_success_timestamp_seconds',
      'When the configuration in force was read.',
      () => this.#reload.succeededAtMs / 1000,
    );
    publishValue(
      registry,
      'counter',
      'portcullis_config_reload_failures_total',
      'Configurations that were refused.',
      () => this.#reload.failures,
    );
    publish(registry, 'gauge', 'portcullis_config_info', 'Hash of the configuration in force; always 1.', () =>
      this.#reload.hash === '' ? [] : [{ labels: { hash: this.#reload.hash }, value: 1 }],
    );
    publishValue(
      registry,
      'counter',
      'portcullis_log_dropped_total',
      'Log lines dropped because their reader did not keep up.',
      () => this.#droppedLogLines(),
    );
    publish(registry, 'gauge', 'portcullis_build_info', 'Version of Portcullis and of Node.js; always 1.', () => [
      { labels: { version, node }, value: 1 },
    ]);
  }

  #keysByState(): Sample[] {
    const counts = this.#keyCounts?.latest;
    return counts === undefined ? [] : KEY_STATES.map((state) => ({ labels: { state }, value: counts[state] }));
  }
}

/** The `route` label of requests that no route matched. */
const NO_ROUTE = 'none';

/** Names of store operations that are learned; others count as `other`. */
const STORE_OPERATIONS = 64;

/** Gauges of prom-client's that are named like counters, which promtool faults: sums of what others show by type. */
const MISNAMED_DEFAULTS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];
