// One connection to Redis that is used only while it is up and the server behind it was found fit. Every
// operation on it ends within its bound, whatever the server does.
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault, UserFault } from '../core/fault.ts';
import type { StoreObserver } from '../core/ports.ts';
import { runOperation, withinTime, type StoreOperation } from './operations.ts';
import { makeRedisClient, redisAddress } from './redis-client.ts';
import { evictionPolicy, evictionRefusal } from './redis-eviction.ts';
import type { RedisScript } from './redis-script.ts';
import type { Warn } from './settings.ts';

interface ConnectionOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly name: string;
  readonly blockMs?: number;
  readonly observe: StoreObserver;
  readonly warn: Warn;
}

/** `waiting`: no connection, or one not checked yet. `refused`: the server is unfit. */
type State = 'waiting' | 'usable' | 'refused' | 'closed';

export class RedisConnection {
  readonly address: string;
  readonly #options: ConnectionOptions;
  readonly #client: Redis;
  readonly #waiters = new Set<() => void>();
  #state: State = 'waiting';
  /** Why operations are rejected just now. */
  #trouble = 'it is not connected yet';
  /** What the log was last told, until the connection is usable again. */
  #told: string | undefined;
  #isOpening = false;
  #recheck: NodeJS.Timeout | undefined;

  /** @throws {UserFault} if the URL is not one */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#client = makeRedisClient(options);
    this.address = redisAddress(options.url);
    this.#client.on('error', (error: Error) => this.#sawError(error));
    this.#client.on('close', () => this.#lost());
    this.#client.on('ready', () => void this.#check());
  }

  /**
   * Connects. Resolves once the connection is usable, or after a bounded wait if Redis cannot be reached; it
   * then goes on trying by itself.
   * @throws {UserFault} if Redis answers, but refuses the credentials or would evict keys
   */
  async open(): Promise<void> {
    this.#isOpening = true;
    this.#client.connect().catch(() => {});
    await this.whenUsable(Math.max(BOUNDS.storeConnectMs, this.#options.timeoutMs));
    this.#isOpening = false;
    if (this.#state === 'refused') throw new UserFault(this.#trouble);
    if (this.#state === 'waiting') this.#tellOutage();
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
    return runOperation(this.#options.observe, operation, () => {
      if (this.#state !== 'usable') throw new StoreFault(operation, this.#unusable());
      const { timeoutMs } = this.#options;
      return withinTime(work(this.#client), timeoutMs, `Redis at ${this.address} did not answer in ${timeoutMs} ms`);
    });
  }

  /** Runs one script as an observed operation. */
  script(
    operation: StoreOperation,
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    return this.run(operation, (client) => script.run(client, keys, values));
  }

  /** The client, for what is no store operation: the change feed's blocking reads. Rejects while it is not usable. */
  get usableClient(): Redis {
    if (this.#state !== 'usable') throw new Error(this.#unusable());
    return this.#client;
  }

  /** Drops the connection; what is under way rejects. */
  close(): void {
    this.#state = 'closed';
    this.#trouble = 'it is closed';
    clearTimeout(this.#recheck);
    this.#wake();
    this.#client.disconnect();
  }

  async #check(): Promise<void> {
    let refusal: string | undefined;
    try {
      refusal = evictionRefusal(await evictionPolicy(this.#client), this.address);
    } catch {
      // The connection was lost meanwhile: the next one is checked again.
      return;
    }
    if (this.#state === 'closed' || this.#client.status !== 'ready') return;
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#state = 'usable';
    if (this.#told !== undefined) this.#options.warn('Redis can be used again', { redis: this.address });
    this.#told = undefined;
    this.#wake();
  }

  #refuse(refusal: string): void {
    this.#state = 'refused';
    this.#trouble = refusal;
    if (!this.#isOpening) this.#tell(refusal, refusal);
    this.#wake();
    clearTimeout(this.#recheck);
    // An operator may cure it without the connection being made anew.
    this.#recheck = setTimeout(() => void this.#check(), BOUNDS.storeReconnectMs).unref();
  }

  #sawError(error: Error): void {
    if (this.#state === 'closed') return;
    if (isRefusedLogin(error))
      this.#refuse(
        `Redis at ${this.address} refuses the credentials in store.url; correct its user and password (${error.message}).`,
      );
    else this.#trouble = error.message === '' ? error.name : error.message;
  }

  #lost(): void {
    if (this.#state === 'closed') return;
    clearTimeout(this.#recheck);
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
    this.#options.warn(message, { redis: this.address, ...fields });
  }

  #unusable(): string {
    return this.#state === 'refused' ? this.#trouble : `Redis at ${this.address} is not reachable: ${this.#trouble}`;
  }

  #wake(): void {
    for (const settle of this.#waiters) settle();
  }
}

/** Whether Redis answered the log-in with an error code that says so. */
function isRefusedLogin(error: Error): boolean {
  return (
    error.name === 'ReplyError' && /^(?:WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(error.message)
  );
}
