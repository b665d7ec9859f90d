// A gateway of several processes. The primary reads the configuration, owns the ops listener and the log, and
// watches the workers; each worker runs a whole data plane on the shared port, so that no request passes here.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import type { LoadedConfig } from '../config/load.ts';
import type { ConfigWatch } from '../config/reload.ts';
import type { Config } from '../config/schema.ts';
import { BOUNDS } from '../core/bounds.ts';
import type { Lineage } from '../core/ports.ts';
import { createOpsServer, type Readiness } from '../fronts/ops.ts';
import { compilePolicy } from '../policy/compile.ts';
import { standardOutletOfProcess } from '../record/log-destination.ts';
import { createLog, type Log } from '../record/log.ts';
import { passLines } from '../record/passed-lines.ts';
import { PrimaryMetrics } from '../record/primary-metrics.ts';
import { type PepperSecrets, readPeppers } from '../secrets/peppers.ts';
import { openStore } from '../stores/open.ts';
import { addressText, listenAt, listenForOps } from './addresses.ts';
import { elapsed, within } from './elapsed.ts';
import { followConfig } from './follow-config.ts';
import type { RunningGateway } from './gateway.ts';
import { refuseWithoutUpstream, startFacts } from './loaded.ts';
import { sayTaken } from './taken-store.ts';
import { workerEnvironment } from './worker-memory.ts';
import { WorkerSlot } from './worker-slot.ts';

export interface PrimaryOptions {
  readonly loaded: LoadedConfig;
  readonly env: NodeJS.ProcessEnv;
  /** Worker processes. */
  readonly count: number;
}

/** What {@link RunningGateway} is, over several processes. */
export interface RunningPrimary extends RunningGateway {
  /** Ends all workers at once. */
  cut(): void;
}

/** Starts a gateway of several processes; resolves once all of them serve. See `startGateway`. */
export async function startPrimary({ loaded, env, count }: PrimaryOptions): Promise<RunningPrimary> {
  refuse(loaded);
  const log = createLog({ level: loaded.config.log.level });
  const warn = (message: string, fields?: Record<string, unknown>): void => log.warn(message, fields);
  const peppers = await readPeppers(loaded.config, env, warn);
  log.info('starting', { ...startFacts(loaded), workers: count });
  const lineage = await takeStore(loaded.config, log);
  const primary = new Primary({ first: shared(loaded, count), env, count, log, peppers, lineage });
  try {
    await primary.start();
    return primary;
  } catch (fault) {
    await primary.abandon();
    throw fault;
  }
}

interface Parts {
  readonly first: LoadedConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly count: number;
  readonly log: Log;
  readonly peppers: PepperSecrets;
  /** Of the store as it was taken; undefined if it could not be reached. */
  readonly lineage: Lineage | undefined;
}

class Primary implements RunningPrimary {
  readonly #parts: Parts;
  readonly #ops: Server;
  readonly #metrics: PrimaryMetrics;
  readonly #watch: ConfigWatch;
  readonly #lines = new Set<Promise<void>>();
  #slots: readonly WorkerSlot[] = [];
  #inForce: LoadedConfig;
  #lineage: Lineage | undefined;
  #isStopping = false;
  #stopped: Promise<0 | 1> | undefined;
  proxyAddress!: AddressInfo;
  opsAddress!: AddressInfo;

  constructor(parts: Parts) {
    const { first, env, count, log } = parts;
    this.#parts = parts;
    this.#inForce = first;
    this.#lineage = parts.lineage;
    this.#metrics = new PrimaryMetrics({
      workers: () => ({
        configured: count,
        running: this.#slots.filter(({ isRunning }) => isRunning).length,
        restarts: this.#slots.reduce((sum, { restarts }) => sum + restarts, 0),
      }),
      droppedLogLines: () => log.dropped,
    });
    this.#metrics.reloads.reloaded(true, first.hash, Date.now());
    this.#ops = createOpsServer({ ready: () => this.#readiness(), metrics: () => this.#scrape() });
    this.#watch = followConfig({
      first,
      env,
      log,
      counts: this.#metrics.reloads,
      inForce: () => this.#inForce,
      put: (next) => this.#put(next),
    });
  }

  async start(): Promise<void> {
    const { count, log, first } = this.#parts;
    const { listen } = first.config;
    this.opsAddress = await listenForOps(this.#ops, listen.ops);
    this.proxyAddress = await listenAt(listen.proxy, 'listen.proxy', freeAddress);
    this.#slots = Array.from({ length: count }, (_, at) => this.#slot(at + 1));
    await Promise.all(this.#slots.map(({ started }) => started));
    log.info('listening', { proxy: addressText(this.proxyAddress), ops: addressText(this.opsAddress), workers: count });
  }

  reload(): Promise<void> {
    return this.#watch.reloadNow();
  }

  stop(): Promise<0 | 1> {
    this.#stopped ??= this.#drain();
    return this.#stopped;
  }

  cut(): void {
    for (const slot of this.#slots) slot.kill();
  }

  /** Ends what a start that failed has begun. */
  async abandon(): Promise<void> {
    this.cut();
    await this.#close();
  }

  #slot(worker: number): WorkerSlot {
    const { first, log, peppers } = this.#parts;
    const { address: host, port } = this.proxyAddress;
    return new WorkerSlot({
      worker,
      log,
      spawn: () => this.#spawn(worker),
      assignment: () => {
        const lineage = this.#lineage;
        return { worker, first, current: this.#inForce, peppers, host, port, ...(lineage && { lineage }) };
      },
      onSnapshot: ({ uses }) => this.#metrics.count(uses),
      onEnd: (text) => this.#metrics.keep(text),
      onLineage: (lineage) => (this.#lineage = furtherOf(this.#lineage, lineage)),
      onNews: (news) => {
        for (const slot of this.#slots) if (slot.worker !== worker) slot.hear(news);
      },
    });
  }

  #spawn(worker: number): ChildProcess {
    const child = fork(ENTRY, [String(worker)], {
      env: workerEnvironment(this.#parts.env),
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    if (child.stdout) {
      const lines = passLines(child.stdout, standardOutletOfProcess()).finally(() => this.#lines.delete(lines));
      this.#lines.add(lines);
    }
    return child;
  }

  /** All workers at the same time; one that starts meanwhile begins with it. */
  async #put(loaded: LoadedConfig): Promise<void> {
    const next = shared(loaded, this.#parts.count);
    refuse(next);
    const before = this.#inForce;
    this.#inForce = next;
    const refusals = await Promise.all(this.#slots.map((slot) => slot.put(next)));
    const refusal = refusals.find((reason) => reason !== null);
    if (refusal !== undefined) {
      this.#inForce = before;
      await Promise.all(this.#slots.map((slot) => slot.put(before)));
      throw new Error(refusal);
    }
    this.#parts.log.setLevel(next.config.log.level);
    this.#metrics.reloads.reloaded(true, next.hash, Date.now());
  }

  async #readiness(): Promise<Readiness> {
    const { timeout } = this.#parts.first.config.store;
    const answers = await Promise.all(this.#slots.map((slot) => slot.readiness(timeout)));
    return {
      isDraining: this.#isStopping,
      storeFault: answers.find(({ storeFault }) => storeFault !== null)?.storeFault ?? null,
      workers: Object.fromEntries(this.#slots.map(({ worker }, at) => [worker, answers[at]?.fault ?? null])),
    };
  }

  async #scrape() {
    await Promise.all(this.#slots.map((slot) => slot.collect()));
    return await this.#metrics.scrape(this.#slots.map(({ text }) => text));
  }

  async #drain(): Promise<0 | 1> {
    const { log } = this.#parts;
    const { delay, timeout } = this.#inForce.config.shutdown;
    this.#isStopping = true;
    log.info('draining', { delayMs: delay, timeoutMs: timeout });
    await elapsed(delay).done;
    const finished = await Promise.all(this.#slots.map((slot) => slot.drain(timeout + BOUNDS.workerEndMs)));
    const isFinished = finished.every(Boolean);
    log.info('stopped', { isFinished });
    await this.#close();
    return isFinished ? 0 : 1;
  }

  async #close(): Promise<void> {
    await this.#watch.stop();
    this.#ops.closeAllConnections();
    this.#ops.close();
    await within(Promise.all(this.#lines), BOUNDS.workerEndMs);
    await this.#parts.log.close();
  }
}

/** The entry of a worker, as it stands beside this file: compiled or not. */
const ENTRY = new URL(`./worker-main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** A configuration that is sound by itself, and yet none for a gateway. */
function refuse({ config, hash }: LoadedConfig): void {
  refuseWithoutUpstream(compilePolicy(config, hash));
}

/** What each of the workers may use, where the configuration says what the gateway may. */
function shared({ config, ...rest }: LoadedConfig, count: number): LoadedConfig {
  const upstreams = Object.fromEntries(
    Object.entries(config.upstreams).map(([name, upstream]) => [
      name,
      { ...upstream, maxConnections: Math.max(1, Math.floor(upstream.maxConnections / count)) },
    ]),
  );
  return { ...rest, config: { ...config, upstreams } };
}

/**
 * The store is taken as it is once, for all workers: its files and tables are made, and what is to be said of it is
 * said. Undefined if it cannot be reached.
 */
async function takeStore({ store: { url, prefix, timeout } }: Config, log: Log): Promise<Lineage | undefined> {
  const store = await openStore({
    url,
    prefix,
    timeoutMs: timeout,
    clock: Date.now,
    observe: () => {},
    warn: (message, fields) => log.warn(message, fields),
    inform: (message, fields) => log.info(message, fields),
  });
  // Where Redis is away, the workers take the store when they see it.
  await store.ping().then(
    () => store.changes.start(() => {}),
    () => {},
  );
  if (store.lineage()) await sayTaken(store, log);
  const lineage = store.lineage();
  await store.close();
  return lineage;
}

/** What is known by those who have come further. A store without an epoch gets one. */
function furtherOf(known: Lineage | undefined, other: Lineage): Lineage {
  return known && known.epoch !== null && known.generation >= other.generation ? known : other;
}

/**
 * The address as the workers will listen at it, nobody else being there: a port that is shared could be shared
 * with another gateway, and neither would notice.
 */
async function freeAddress(host: string, port: number): Promise<AddressInfo> {
  const probe = createServer().listen({ host, port, exclusive: true });
  await once(probe, 'listening');
  const address = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return address;
}
