// Everything that decides, built from a configuration: secrets, store, cache, guard, pipeline and records,
// and the reload that swaps the policy. The gateway and the Express middleware are both fronts over this.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { AddressGuard } from '../checks/address-guard.ts';
import { Seats } from '../checks/seats.ts';
import { loadConfig, type LoadedConfig, readConfig } from '../config/load.ts';
import { ConfigFault, formatProblem } from '../config/problem.ts';
import { restartFields, watchConfig, type ConfigWatch } from '../config/reload.ts';
import type { Config } from '../config/schema.ts';
import { withoutPassword } from '../config/store-url.ts';
import type { KeyRecord } from '../core/key-record.ts';
import type { Policy } from '../core/policy.ts';
import type { Recorder, Store } from '../core/ports.ts';
import { decisionSequence } from '../decide/decide.ts';
import type { RequestState } from '../decide/request-state.ts';
import type { Decision } from '../decide/sequence.ts';
import { declarationsOf } from '../manage/declarations.ts';
import { KeyService } from '../manage/key-service.ts';
import { compilePolicy } from '../policy/compile.ts';
import { createLog, type Log } from '../record/log.ts';
import { createMetrics, type Metrics } from '../record/metrics.ts';
import { createRecorder } from '../record/record.ts';
import { RequestLog } from '../record/request-log.ts';
import { openPeppers, type Peppers } from '../secrets/peppers.ts';
import { CachedKeys } from '../stores/cached-keys.ts';
import { LeasedLimits } from '../stores/leased-limits.ts';
import { openStore } from '../stores/open.ts';
import { VERSION } from './version.ts';

/** Where the configuration comes from: a file, which is watched, or an object, which is not. */
export type ConfigSource = string | object;

export interface EnforcementOptions {
  readonly config: ConfigSource;
  readonly env: NodeJS.ProcessEnv;
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
  readonly recorder: Recorder;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly store: Store;
  /** Reads the configuration again; one that is refused is logged and changes nothing. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Builds the enforcement and starts what runs in the background.
 * @param adopt is told of the first configuration and of every new one, before it is in force
 * @throws {UserFault} with the cure, if the configuration, a secret or the store is not as it has to be
 */
export async function createEnforcement(options: EnforcementOptions, adopt: Adopt): Promise<Enforcement> {
  const first = await readSource(options);
  const log = createLog({ level: first.config.log.level });
  const metrics = createMetrics({ version: VERSION, nodeVersion: process.versions.node });
  const warn = (message: string, fields?: Record<string, unknown>): void => log.warn(message, fields);
  const peppers = await openPeppers(first.config, options.env, warn);
  log.info('starting', startFacts(first));
  const { url, prefix, timeout } = first.config.store;
  const store = await openStore({
    url,
    prefix,
    timeoutMs: timeout,
    clock: Date.now,
    observe: metrics.storeObserver,
    warn,
  });
  try {
    return await assemble({ options, first, log, metrics, peppers, store, adopt });
  } catch (fault) {
    metrics.close();
    await store.close();
    throw fault;
  }
}

interface Parts {
  readonly options: EnforcementOptions;
  readonly first: LoadedConfig;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly peppers: Peppers;
  readonly store: Store;
  readonly adopt: Adopt;
}

async function assemble({ options, first, log, metrics, peppers, store, adopt }: Parts): Promise<Enforcement> {
  let inForce = compile(first);
  const requestLog = new RequestLog(log, first.config.log.requests);
  const keys = cachedKeys(first.config, { store, peppers, log, metrics, inForce: () => inForce.config });
  const seats = new Seats(store.limits);
  const limits = new LeasedLimits(store.limits);
  let guard = newGuard(store, inForce.policy);
  const sequence = () =>
    decisionSequence({
      guard,
      keys,
      take: (demands, seat) => limits.take(demands, seat),
      hold: (seat) => seats.hold(seat),
    });
  let pipeline = sequence();
  let isChangeable = true;

  const put = (next: InForce): void => {
    adopt(next);
    metrics.adopt(labelNames(next.config));
    log.setLevel(next.config.log.level);
    requestLog.requests = next.config.log.requests;
    if (!isSameGuard(next.policy, inForce.policy)) {
      guard = newGuard(store, next.policy);
      pipeline = sequence();
    }
    inForce = next;
  };

  const swap = (loaded: LoadedConfig): void => {
    if (!isChangeable) return;
    const needRestart = restartFields(inForce.config, loaded.config);
    put(compile(loaded));
    metrics.reloaded(true, loaded.hash, Date.now());
    log.info('configuration reloaded', { file: loaded.file, hash: loaded.hash });
    if (needRestart.length > 0) {
      log.warn(`the changes of ${needRestart.join(', ')} take effect at the next restart`, { fields: needRestart });
    }
  };

  const refuse = (fault: unknown): void => {
    metrics.reloaded(false, inForce.policy.hash, Date.now());
    const problems = fault instanceof ConfigFault ? fault.problems.map(formatProblem) : [(fault as Error).message];
    log.error(`the configuration was refused, the one before stays in force: ${problems[0]}`, { problems });
  };

  put(inForce);
  metrics.reloaded(true, first.hash, Date.now());
  metrics.supply({
    keyCounts: () => store.keys.countByState(Date.now()),
    droppedLogLines: () => log.dropped,
  });
  await store.changes.start((change) => keys.forget(change));
  const onChange = (result: LoadedConfig | ConfigFault): void => {
    try {
      if (result instanceof ConfigFault) refuse(result);
      else swap(result);
    } catch (fault) {
      // Sound by itself, but refused by who adopts it.
      refuse(fault);
    }
  };
  const watch: ConfigWatch | null =
    typeof options.config === 'string' ? watchConfig({ loaded: first, env: options.env, onChange }) : null;

  return {
    inForce: () => inForce,
    decide: (request) => pipeline.run(request),
    recorder: createRecorder(metrics, requestLog),
    metrics,
    log,
    store,
    reload: () => watch?.reloadNow() ?? Promise.resolve(),
    close: async () => {
      isChangeable = false;
      await watch?.stop();
      seats.close();
      await limits.close();
      metrics.close();
      await store.changes.stop();
      await store.close();
      await log.close();
    },
  };
}

/** What is used, with absolute paths: relative ones depend on where the process was started. */
function startFacts({ config, file, hash }: LoadedConfig) {
  const { pepper } = config.credentials;
  return {
    version: VERSION,
    node: process.versions.node,
    config: file,
    hash,
    store: config.store.url.startsWith('sqlite:')
      ? `sqlite:${resolve(config.store.url.slice('sqlite:'.length))}`
      : withoutPassword(config.store.url),
    pepper: pepper.startsWith('file:') ? `file:${resolve(pepper.slice('file:'.length))}` : pepper,
  };
}

function compile({ config, hash }: LoadedConfig): InForce {
  return { config, policy: compilePolicy(config, hash) };
}

function readSource({ config, env }: EnforcementOptions): Promise<LoadedConfig> {
  return typeof config === 'string' ? loadConfig(config, env) : readConfig(config, env);
}

interface CacheParts {
  readonly store: Store;
  readonly peppers: Peppers;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly inForce: () => Config;
}

function cachedKeys(config: Config, { store, peppers, log, metrics, inForce }: CacheParts): CachedKeys {
  const rehash = (record: KeyRecord, digest: string, text: string): void => {
    const service = new KeyService({
      store: store.keys,
      peppers,
      now: Date.now,
      random: randomBytes,
      prefix: inForce().credentials.prefix,
      declarations: declarationsOf(inForce()),
    });
    service.rehash(record, digest, text).then(
      () => log.info('a key was moved to the current pepper', { key: record.id }),
      (fault: unknown) => log.warn('a key could not be moved to the current pepper', { key: record.id, fault }),
    );
  };
  return new CachedKeys({
    store: store.keys,
    peppers,
    maxStalenessMs: config.store.maxStaleness,
    lastHeardMs: () => store.changes.lastHeardMs(),
    now: Date.now,
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

function newGuard(store: Store, { guard }: Policy): AddressGuard {
  return new AddressGuard(guard, store.attempts(guard), Date.now);
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
