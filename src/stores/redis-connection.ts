// One connection to Redis that is used only while it is up and the server behind it was found fit. Every
// operation on it ends within its bound, whatever the server does.
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault, UserFault } from '../core/fault.ts';
import type { StoreObserver } from '../core/ports.ts';
import { placeText, type RedisPlace } from '../core/redis-url.ts';
import { runOperation, withinTime, type StoreOperation } from './operations.ts';
import { makeRedisClient } from './redis-client.ts';
import { reconnectPauseMs } from './redis-connector.ts';
import { RedisDetour } from './redis-detour.ts';
import { carryOut, FOLLOWS_ALL, type Follows } from './redis-errand.ts';
import { changeRefusal, databaseRefusal, evictionRefusal } from './redis-fitness.ts';
import { RedisAbsence, RedisSwitch } from './redis-guides.ts';
import { redisCure, redisWords } from './redis-cures.ts';
import { redisNames } from './redis-names.ts';
import { isAboutDatabase, isRefusedLogin, refusalOf } from './redis-refusal.ts';
import type { RedisScript } from './redis-script.ts';
import type { RedisNotices } from './redis-notices.ts';
import { redisServer, type RedisServer } from './redis-server.ts';
import { versionRefusal } from './redis-version.ts';
import type { Warn } from './settings.ts';

interface ConnectionOptions {
  readonly url: string;
  readonly prefix: string;
  /** What the URL and prefix name, where other connections share it. */
  readonly server?: RedisServer;
  readonly timeoutMs: number;
  readonly name: string;
  readonly blockMs?: number;
  /** Why nothing may be asked of the store, though it answers; undefined if it may. */
  readonly doubt?: () => string | undefined;
  /** Says of the server what an operator should know, where this is to say it. */
  readonly notices?: RedisNotices;
  readonly observe: StoreObserver;
  readonly warn: Warn;
}

/** Sends commands: each step finds its own way to the node that has its keys. */
export type Step = <T>(work: (client: Redis) => Promise<T>, follows?: Follows) => Promise<T>;

/** `waiting`: no connection, or one not checked yet. `refused`: the server is unfit. */
type State = 'waiting' | 'usable' | 'refused' | 'closed';

export class RedisConnection {
  readonly address: string;
  readonly #options: ConnectionOptions;
  readonly #server: RedisServer;
  readonly #stream: string;
  readonly #client: Redis;
  readonly #detour: RedisDetour;
  readonly #waiters = new Set<() => void>();
  #state: State = 'waiting';
  /** Why operations are rejected just now. */
  #trouble = 'it is not connected yet';
  /** What of that says the cure. */
  #cure: string | undefined;
  /** What the log was last told, until the connection is usable again. */
  #told: string | undefined;
  #isOpening = false;
  #isOpened = false;
  /** To connect, since the connection was usable: one that is made and found unfit has failed, too. */
  #attempts = 0;
  /** Until then operations wait for the next server, because the one before has said that there is one. */
  #handoverUntil = 0;
  #recheck: NodeJS.Timeout | undefined;

  /** @throws {UserFault} if the URL is not one */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    const server = options.server ?? redisServer(options.url, options.prefix);
    this.#server = server;
    this.#stream = redisNames(options.prefix).changes;
    this.#client = makeRedisClient({ ...options, server }, () => reconnectPauseMs((this.#attempts += 1)));
    this.#detour = new RedisDetour({ ...options, server });
    this.address = server.address;
    this.#client.on('error', (error: Error) => this.#sawError(error));
    this.#client.on('close', () => this.#lost());
    this.#client.on('ready', () => void this.#check());
  }

  /**
   * Connects. Resolves once the connection is usable, or after a bounded wait if Redis cannot be reached; it
   * then goes on trying by itself.
   * @throws {UserFault} if Redis answers, but is not what the URL says, refuses the credentials or would evict keys
   */
  async open(): Promise<void> {
    this.#isOpened = true;
    this.#isOpening = true;
    this.#client.connect().catch(() => {});
    await this.whenUsable(Math.max(BOUNDS.storeConnectMs, this.#options.timeoutMs));
    this.#isOpening = false;
    if (this.#state === 'refused') throw new UserFault(this.#trouble);
    if (this.#state === 'waiting') this.#tellOutage();
  }

  /**
   * Connects at the first call, and sees that it leads to who serves. Resolves once the connection is usable or refused, at
   * most after the store's timeout, to who serves: see {@link serving}.
   * @throws {RedisSwitch}
   */
  async opened(): Promise<string | undefined> {
    if (!this.#isOpened) this.open().catch(() => {});
    const untilMs = performance.now() + this.#options.timeoutMs / 2;
    for (;;) {
      try {
        const node = await this.serving();
        await this.whenUsable(this.#options.timeoutMs);
        return node;
      } catch (error) {
        if (performance.now() > untilMs) throw error;
      }
      await pause(BOUNDS.storeRetryMs);
    }
  }

  /**
   * Who serves, as the Sentinels say: they know first of a primary that they have put in the place of one that goes on
   * answering, and a change that the old one took would be lost. Undefined without Sentinels, or where none answers
   * in time. The nodes of a Cluster say so by themselves.
   * @param waitMs for the answer
   * @throws {RedisSwitch} while they are about to put another in the place
   */
  async serving(waitMs = Math.ceil(this.#options.timeoutMs / 4)): Promise<string | undefined> {
    const { kind, guides } = this.#server;
    if (kind !== 'sentinel' || !guides) return undefined;
    const asked = withinTime(guides.settled(), waitMs, 'nobody said');
    const place = await asked.catch(() => undefined);
    if (place === 'switching') throw new RedisSwitch();
    return place && placeText(place);
  }

  /** The node that serves, as far as is known. */
  get node(): string {
    return this.#server.node;
  }

  /** How long a change may wait for a replica and still be answered in time, ms. */
  get replicaWaitMs(): number {
    return Math.ceil(this.#options.timeoutMs / 2);
  }

  /** Whether others put a replica in the place of the primary when they see fit. */
  get hasStandBys(): boolean {
    return this.#server.kind === 'sentinel';
  }

  get isUsable(): boolean {
    return this.#state === 'usable';
  }

  /** Resolves once the connection is usable or refused, or after `waitMs`; true if it is usable. */
  async whenUsable(waitMs: number): Promise<boolean> {
    if (this.#state === 'waiting')
      await new Promise<void>((resolve) => {
        const settle = () => {
          clearTimeout(timer);
          this.#waiters.delete(settle);
          resolve();
        };
        const timer = setTimeout(settle, waitMs);
        this.#waiters.add(settle);
      });
    return this.isUsable;
  }

  /** Runs one observed operation, bounded by the store's timeout. Rejects with a StoreFault. */
  run<T>(operation: StoreOperation, work: (client: Redis) => Promise<T>): Promise<T> {
    return this.runSteps(operation, (step) => step(work));
  }

  /** Runs one observed operation of several steps, bounded as a whole. Rejects with a StoreFault. */
  runSteps<T>(operation: StoreOperation, work: (step: Step) => Promise<T>): Promise<T> {
    return runOperation(this.#options.observe, operation, () => {
      const isHandedOver = performance.now() < this.#handoverUntil;
      if (this.#state !== 'usable' && !isHandedOver) throw this.#fault(operation);
      const doubt = this.#options.doubt?.();
      if (doubt !== undefined) throw new StoreFault(operation, doubt);
      const { timeoutMs } = this.#options;
      const step = this.#stepper();
      const carried = isHandedOver ? this.whenUsable(timeoutMs).then(() => work(step)) : work(step);
      return withinTime(carried, timeoutMs, `Redis at ${this.address} did not answer in ${timeoutMs} ms`);
    });
  }

  /** Runs one script as an observed operation. */
  script(
    operation: StoreOperation,
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    return this.runSteps(operation, (step) => step((client) => script.run(client, keys, values), script.follows));
  }

  /** Sends commands that are no store operation: the change feed's. Rejects while the connection is not usable. */
  send<T>(work: (client: Redis) => Promise<T>, follows: Follows): Promise<T> {
    return this.#stepper()(work, follows);
  }

  /** Drops the connection; what is under way rejects. */
  close(): void {
    this.#state = 'closed';
    this.#trouble = 'it is closed';
    clearTimeout(this.#recheck);
    this.#wake();
    this.#detour.close();
    this.#client.disconnect();
  }

  #stepper(): Step {
    const untilMs = performance.now() + this.#options.timeoutMs;
    const base = {
      client: () => this.#usableClient(),
      leave: (error: Error) => this.#leave(error),
      whenUsable: (waitMs: number) => this.whenUsable(waitMs),
      detour: ({ host, port }: RedisPlace) =>
        this.#detour.to({ host: host === '' ? (this.#server.guides?.newest?.host ?? host) : host, port }),
    };
    return (work, follows = FOLLOWS_ALL) => carryOut(base, work, follows, untilMs);
  }

  #usableClient(): Redis {
    if (this.#state !== 'usable') throw new Error(this.#unusable());
    return this.#client;
  }

  async #check(): Promise<void> {
    const { node, guides } = this.#server;
    let refusal: string | undefined;
    let change: Error | undefined;
    try {
      refusal =
        (await versionRefusal(this.#client, node)) ??
        (await evictionRefusal(this.#client, node)) ??
        (await databaseRefusal(this.#client, node));
      change = await changeRefusal(this.#client, this.#stream);
    } catch {
      // The connection was lost meanwhile: the next one is checked again.
      return;
    }
    if (this.#state === 'closed' || this.#client.status !== 'ready') return;
    if (refusal !== undefined) return this.#refuse(refusal);
    const kind = refusalOf(change)?.kind;
    if (kind === 'moved' && !guides) return this.#refuse(inClusterText(node));
    if (change && kind !== undefined) return this.#leave(change);
    if (this.#state !== 'usable') this.#options.notices?.say(this.#client);
    this.#state = 'usable';
    this.#trouble = 'the connection was closed';
    this.#cure = undefined;
    this.#attempts = 0;
    if (this.#told !== undefined) this.#options.warn('Redis can be used again', this.#facts());
    this.#told = undefined;
    this.#wake();
    this.#checkAgain(BOUNDS.storeFitnessMs);
  }

  /** An operator may set a server in use to evict keys, or cure one that was refused, on the same connection. */
  #checkAgain(afterMs: number): void {
    clearTimeout(this.#recheck);
    this.#recheck = setTimeout(() => void this.#check(), afterMs).unref();
  }

  #refuse(refusal: string): void {
    this.#state = 'refused';
    this.#trouble = refusal;
    if (!this.#isOpening) this.#tell(refusal, refusal);
    this.#wake();
    this.#checkAgain(BOUNDS.storeReconnectMs);
  }

  #sawError(error: Error): void {
    // What is refused of the database is found by the check.
    if (this.#state === 'closed' || isAboutDatabase(error)) return;
    if (isRefusedLogin(error))
      this.#refuse(
        `Redis at ${this.address} refuses the credentials in store.url; correct its user and password (${error.message}).`,
      );
    else if (error instanceof RedisAbsence && error.isFinal) this.#refuse(`store.url does not fit: ${error.message}.`);
    else {
      this.#blame(error);
      if (error instanceof RedisAbsence && this.#state === 'refused') this.#state = 'waiting';
    }
  }

  #blame(error: Error): void {
    this.#cure = redisCure(error);
    const words = redisWords(error) || error.name;
    this.#trouble = this.#cure === undefined ? words : `${words}; ${this.#cure}`;
  }

  /** The server serves no longer; ioredis has dropped the connection to it, or is about to. */
  #leave(error: Error): void {
    if (this.#state === 'closed') return;
    this.#blame(error);
    if (this.#state === 'usable') this.#handoverUntil = performance.now() + BOUNDS.storeHandoverMs;
    this.#lost();
  }

  #lost(): void {
    if (this.#state === 'closed') return;
    clearTimeout(this.#recheck);
    this.#detour.leave();
    if (this.#state === 'usable') this.#tellOutage();
    this.#state = 'waiting';
  }

  #tellOutage(): void {
    this.#tell('outage', 'Redis is not reachable; trying until it is', { error: this.#trouble });
  }

  /** Says a thing once, however often it is seen. */
  #tell(what: string, message: string, fields: Record<string, unknown> = {}): void {
    if (this.#told === what) return;
    this.#told = what;
    this.#options.warn(message, { ...this.#facts(), ...fields });
  }

  #facts(): Record<string, unknown> {
    const { node, guides } = this.#server;
    return guides ? { redis: this.address, node } : { redis: this.address };
  }

  #unusable(): string {
    if (this.#state === 'refused') return this.#trouble;
    const what = this.#cure === undefined ? 'is not reachable' : 'cannot be used';
    return `Redis at ${this.address} ${what}: ${this.#trouble}`;
  }

  #fault(operation: StoreOperation): StoreFault {
    const namesCure = this.#state === 'refused' || this.#cure !== undefined;
    return new StoreFault(operation, this.#unusable(), undefined, namesCure);
  }

  #wake(): void {
    for (const settle of this.#waiters) settle();
  }
}

function inClusterText(node: string): string {
  return `Redis at ${node} is a node of a Cluster, and another one has Portcullis's keys; write redis+cluster://${node} in store.url.`;
}
