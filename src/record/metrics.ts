// All metrics (SPEC section 6; docs/metrics.md tells what each means). Labels are names from the
// configuration or closed sets, so that no client can make series.
import { Registry } from 'prom-client';
import { KEY_STATES } from '../core/key-record.ts';
import type { Clock, Recorder, RequestRecord, StoreObserver } from '../core/ports.ts';
import { Buckets, OVERHEAD_SCALE, REQUEST_SCALE, STORE_SCALE } from './buckets.ts';
import { KeyCountsRefresher, type KeyCounts } from './key-counts.ts';
import { type KeyUses, publishKeyUses } from './key-uses.ts';
import { NamedSlots } from './named-slots.ts';
import { publishProcess } from './process-metrics.ts';
import { type Sample, publish, publishHistogram, publishValue } from './published.ts';
import { ReloadCounts } from './reload-counts.ts';
import { RouteCounts } from './route-counts.ts';
import { ONE_PROCESS, publishWorkers } from './worker-counts.ts';

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
  /** For a worker of several, who counts the uses of keys. Else they are published here. */
  readonly keyUses?: KeyUses;
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
  readonly #keyUses: KeyUses;
  readonly #reloads = new ReloadCounts();
  #inFlight = 0;
  #isStoreUp = false;
  #tampered = 0;
  #keyCounts: KeyCountsRefresher | undefined;
  #upstreamStates: () => readonly UpstreamState[] = () => [];
  #droppedLogLines: () => number = () => 0;

  constructor({ version, nodeVersion, clock = Date.now, keyUses }: MetricsOptions) {
    this.#publishRequests();
    this.#keyUses = keyUses ?? publishKeyUses(this.#registry, clock);
    this.#publishStore();
    this.#publishGateway(version, nodeVersion);
    if (keyUses === undefined) publishWorkers(this.#registry, () => ONE_PROCESS);
    publishProcess(this.#registry);
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
    if (record.keyId !== null) this.#keyUses.used.count(record.keyId);
    if (record.nearLimits !== null) {
      for (const limit of record.nearLimits) this.#nearLimits.get(limit).value++;
      if (record.keyId !== null) this.#keyUses.nearLimit.count(record.keyId);
    }
  }

  /** Requests that have been accepted and have not ended. */
  get inFlight(): number {
    return this.#inFlight;
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

  /** See {@link ReloadCounts.reloaded}. */
  reloaded(isSuccessful: boolean, hash: string, atMs: number): void {
    this.#reloads.reloaded(isSuccessful, hash, atMs);
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

  #publishRequests(): void {
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
      'portcullis_limit_near_total',
      'Requests that left less than a tenth of a limit.',
      () => this.#nearLimits,
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
    this.#reloads.publish(registry);
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
