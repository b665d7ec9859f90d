// Everything that decides, built from a configuration: secrets, store, cache, guard, pipeline and records,
// and the reload that swaps the policy. The gateway and the Express middleware are both fronts over this.
import { randomBytes } from 'node:crypto';
import { AddressGuard } from '../checks/address-guard.ts';
import { type GuardNews, type GuardTeller, NOBODY } from '../checks/guard-news.ts';
import { Seats } from '../checks/seats.ts';
import { loadConfig, type LoadedConfig, readConfig } from '../config/load.ts';
import type { ConfigWatch } from '../config/reload.ts';
import type { Config } from '../config/schema.ts';
import type { KeyRecord } from '../core/key-record.ts';
import type { Policy } from '../core/policy.ts';
import { ageingClock } from '../core/ageing-clock.ts';
import type { Clock, Lineage, Recorder, Store } from '../core/ports.ts';
import { Wakefulness } from '../core/wakefulness.ts';
import { decisionSequence } from '../decide/decide.ts';
import { OpenExchanges } from '../decide/open-exchanges.ts';
import type { RequestState } from '../decide/request-state.ts';
import type { Decision } from '../decide/sequence.ts';
import { declarationsOf } from '../manage/declarations.ts';
import { KeyService } from '../manage/key-service.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { KeyUses } from '../record/key-uses.ts';
import { createLog, type Log } from '../record/log.ts';
import { createMetrics, type Metrics } from '../record/metrics.ts';
import { createRecorder } from '../record/record.ts';
import { RequestLog } from '../record/request-log.ts';
import { openPeppers, type Peppers } from '../secrets/peppers.ts';
import { CachedKeys } from '../stores/cached-keys.ts';
import { LeasedLimits } from '../stores/leased-limits.ts';
import { openStore } from '../stores/open.ts';
import { followConfig } from './follow-config.ts';
import { startFacts } from './loaded.ts';
import { sayTaken } from './taken-store.ts';
import { VERSION } from './version.ts';

/** Where the configuration comes from: a file, which is watched, or an object, which is not. */
export type ConfigSource = string | object;

export interface EnforcementOptions {
  readonly config: ConfigSource;
  readonly env: NodeJS.ProcessEnv;
  /** `config` as it was read already. */
  readonly loaded?: LoadedConfig;
}

/** What a worker is handed by its primary, which follows the file and says what concerns all. */
export interface Handed {
  readonly worker: number;
  readonly loaded: LoadedConfig;
  readonly peppers: Peppers;
  readonly keyUses: KeyUses;
  /** How far the other workers have followed the store, which has to be the same for this one. */
  readonly lineage?: Lineage;
  /** Told of what the guards of the other workers should know. */
  readonly others: GuardTeller;
}

/** A policy in force, with the configuration it was compiled from. */
export interface InForce {
  readonly config: Config;
  readonly policy: Policy;
}

/** Builds what a configuration in force needs besides its policy; throws to refuse it. */
export type Adopt = (next: InForce) => void;

export interface Enforcement {
  /** What is in force now. */
  readonly inForce: () => InForce;
  readonly decide: (request: RequestState) => Decision | Promise<Decision>;
  /** All that was let through and has not ended. */
  readonly open: OpenExchanges;
  readonly recorder: Recorder;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly store: Store;
  /** Reads the configuration again; one that is refused is logged and changes nothing. */
  reload(): Promise<void>;
  /** Puts a configuration in force and counts that; throws to refuse it. */
  put(next: LoadedConfig): void;
  /** Takes in what the guard of another worker has met. */
  hear(news: GuardNews): void;
  close(): Promise<void>;
}

/**
 * Builds the enforcement and starts what runs in the background.
 * @param adopt is told of the first configuration and of every new one, before it is in force
 * @throws {UserFault} with the cure, if the configuration, a secret or the store is not as it has to be
 */
export async function createEnforcement(options: EnforcementOptions, adopt: Adopt): Promise<Enforcement> {
  const first = options.loaded ?? (await readSource(options));
  const log = createLog({ level: first.config.log.level });
  const peppers = await openPeppers(first.config, options.env, (message) => log.warn(message));
  log.info('starting', startFacts(first));
  const metrics = createMetrics({ version: VERSION, nodeVersion: process.versions.node });
  const enforcement = await open({ first, log, metrics, peppers, adopt, others: NOBODY });
  if (typeof options.config !== 'string') return enforcement;
  const watch = followConfig({
    first,
    env: options.env,
    log,
    counts: metrics,
    inForce: () => ({ config: enforcement.inForce().config, hash: enforcement.inForce().policy.hash }),
    put: (next) => enforcement.put(next),
  });
  return watched(enforcement, watch);
}

/** Builds the enforcement of a worker, whose configuration changes only by {@link Enforcement.put}. */
export function createWorkerEnforcement(handed: Handed, adopt: Adopt): Promise<Enforcement> {
  const { worker, loaded: first, peppers, keyUses, others, lineage } = handed;
  const log = createLog({ level: first.config.log.level, fields: { worker } });
  const metrics = createMetrics({ version: VERSION, nodeVersion: process.versions.node, keyUses });
  return open({ first, log, metrics, peppers, adopt, others, ...(lineage && { lineage }) });
}

function watched(enforcement: Enforcement, watch: ConfigWatch): Enforcement {
  return {
    ...enforcement,
    reload: () => watch.reloadNow(),
    close: async () => {
      await watch.stop();
      await enforcement.close();
    },
  };
}

async function open(parts: Omit<Parts, 'store' | 'age'>): Promise<Enforcement> {
  const { first, log, metrics, lineage } = parts;
  const { url, prefix, timeout } = first.config.store;
  const age = ageingClock();
  const store = await openStore({
    url,
    prefix,
    timeoutMs: timeout,
    clock: Date.now,
    feedClock: age,
    observe: metrics.storeObserver,
    warn: (message, fields) => log.warn(message, fields),
    ...(lineage ? { lineage } : { inform: (message: string, fields?: object) => log.info(message, { ...fields }) }),
  });
  if (!lineage) void sayTaken(store, log);
  try {
    return await assemble({ ...parts, store, age });
  } catch (fault) {
    metrics.close();
    await store.close();
    throw fault;
  }
}

interface Parts {
  readonly first: LoadedConfig;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly peppers: Peppers;
  readonly store: Store;
  /** Tells how long something has been believed. */
  readonly age: Clock;
  readonly adopt: Adopt;
  readonly others: GuardTeller;
  /** Of a store that others have taken as it is before. */
  readonly lineage?: Lineage;
}

async function assemble({ first, log, metrics, peppers, store, age, adopt, others }: Parts): Promise<Enforcement> {
  let inForce = compile(first);
  const requestLog = new RequestLog(log, first.config.log.requests);
  const rehashes = new Set<Promise<void>>();
  const wakefulness = new Wakefulness({ now: age });
  const keys = cachedKeys(first.config, {
    wakefulness,
    store,
    age,
    peppers,
    log,
    metrics,
    rehashes,
    inForce: () => inForce,
  });
  const seats = new Seats(store.limits);
  const limits = new LeasedLimits(store.limits, { now: age });
  const { guard: rule } = inForce.policy;
  const guard = new AddressGuard(rule, store.attempts(rule), () => performance.now(), others);
  const pipeline = decisionSequence({
    guard,
    keys,
    take: (demands, seat) => limits.take(demands, seat),
    hold: (seat) => seats.hold(seat),
  });
  const open = new OpenExchanges({
    policy: () => inForce.policy,
    askKey: (id) => keys.ask(id),
    onOverruled: (id) => keys.distrust(id),
    now: Date.now,
    onBug: (bug) => log.error('a defect was met while open requests were decided again', { bug }),
  });

  const put = (next: InForce): void => {
    adopt(next);
    metrics.adopt(labelNames(next.config));
    log.setLevel(next.config.log.level);
    requestLog.requests = next.config.log.requests;
    if (!isSameGuard(next.policy, inForce.policy)) guard.adopt(next.policy.guard, store.attempts(next.policy.guard));
    inForce = next;
    keys.forgetRefusals();
    open.reloaded();
  };

  put(inForce);
  metrics.reloaded(true, first.hash, Date.now());
  metrics.supply({
    keyCounts: () => store.keys.countByState(Date.now()),
    droppedLogLines: () => log.dropped,
  });
  await store.changes.start((change) => {
    keys.forget(change);
    open.hear(change);
  });
  return {
    inForce: () => inForce,
    decide: (request) => pipeline.run(request),
    open,
    recorder: createRecorder(metrics, requestLog),
    metrics,
    log,
    store,
    reload: () => Promise.resolve(),
    put: (next) => {
      put(compile(next));
      metrics.reloaded(true, next.hash, Date.now());
    },
    hear: (news) => guard.hear(news),
    close: async () => {
      open.close();
      wakefulness.stop();
      seats.close();
      await limits.close();
      // Each within the store's timeout: a key's first use under a new pepper may be the only one for long.
      await Promise.all(rehashes);
      metrics.close();
      await store.changes.stop();
      await store.close();
      await log.close();
    },
  };
}

function compile({ config, hash }: LoadedConfig): InForce {
  return { config, policy: compilePolicy(config, hash) };
}

function readSource({ config, env }: EnforcementOptions): Promise<LoadedConfig> {
  return typeof config === 'string' ? loadConfig(config, env) : readConfig(config, env);
}

interface CacheParts {
  readonly wakefulness: Wakefulness;
  readonly store: Store;
  readonly age: Clock;
  readonly peppers: Peppers;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Keys on their way to the current pepper. */
  readonly rehashes: Set<Promise<void>>;
  readonly inForce: () => InForce;
}

function cachedKeys(config: Config, parts: CacheParts): CachedKeys {
  const { wakefulness, store, age, peppers, log, metrics, rehashes, inForce } = parts;
  const rehash = (record: KeyRecord, digest: string, text: string): void => {
    const service = new KeyService({
      store: store.keys,
      peppers,
      now: Date.now,
      random: randomBytes,
      prefix: inForce().config.credentials.prefix,
      declarations: declarationsOf(inForce().config),
    });
    const moved = service.rehash(record, digest, text).then(
      () => log.info('a key was moved to the current pepper', { key: record.id }),
      (fault: unknown) => log.warn('a key could not be moved to the current pepper', { key: record.id, fault }),
    );
    rehashes.add(moved);
    void moved.finally(() => rehashes.delete(moved));
  };
  return new CachedKeys({
    store: store.keys,
    peppers,
    maxStalenessMs: config.store.maxStaleness,
    lastHeardMs: () => store.changes.lastHeardMs(),
    awakeSinceMs: () => wakefulness.sinceMs(),
    now: Date.now,
    age,
    expiryOf: (key) => inForce().policy.expiryOf(key),
    onEvent: (event) => metrics.cacheEvent(event),
    onTampered: (record) => {
      metrics.tampered();
      log.error('a key record has a wrong MAC and counts as unknown; someone wrote to the store without the pepper', {
        key: record.id,
      });
    },
    onOldPepper: rehash,
  });
}

function isSameGuard({ guard: a }: Policy, { guard: b }: Policy): boolean {
  return a.failures === b.failures && a.perMs === b.perMs && a.blockMs === b.blockMs;
}

function labelNames(config: Config) {
  const plans = Object.values(config.plans).flatMap((plan) => Object.keys(plan.limits));
  const routes = Object.values(config.routes).flatMap((route) => Object.keys(route.limits ?? {}));
  return {
    routes: Object.keys(config.routes),
    upstreams: Object.keys(config.upstreams),
    limits: [...new Set([...plans, ...routes])],
  };
}
