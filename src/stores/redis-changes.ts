// The change feed on Redis: a stream, read from where one left off on a connection of its own. Entries are
// numbered without gaps, so changes that were missed are noticed and told as a reset.
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { KEY_ID_PATTERN } from '../core/key-record.ts';
import type { Change, ChangeFeed, Clock, Lineage } from '../core/ports.ts';
import type { KnownStore } from './known-store.ts';
import { BEFORE_ALL, doubtOf, type Sight } from './lineage.ts';
import type { RedisConnection } from './redis-connection.ts';
import { redisCure, redisWords } from './redis-cures.ts';
import { FOLLOWS_ASK } from './redis-errand.ts';
import { changeRefusal } from './redis-fitness.ts';
import { changeOf, fieldOf, nameEpoch, seeRedis, type StreamEntry, streamEntries } from './redis-history.ts';
import type { RedisNames } from './redis-names.ts';
import { replicationOf } from './redis-replicas.ts';
import { isReply, refusalOf } from './redis-refusal.ts';
import type { Warn } from './settings.ts';

const READ_AT_ONCE = 1_000;
/** Between two attempts to follow the stream, ms. */
const RETRY_MS = 50;

const streams = z.array(z.tuple([z.string(), streamEntries])).nullable();

type Position = Omit<Lineage, 'epoch'>;

export class RedisChanges implements ChangeFeed {
  readonly #redis: RedisConnection;
  readonly #names: RedisNames;
  readonly #known: KnownStore;
  readonly #clock: Clock;
  readonly #warn: Warn;
  #onChange: (change: Change) => void = () => {};
  /** Up to where the stream was read. */
  #position = BEFORE_ALL;
  /** A change that was read and that no replica has confirmed yet, and what a replica has to have for that. */
  #unconfirmed: { readonly change: Position; readonly offset: number } | undefined;
  #heardMs = 0;
  /** Who served when the stream was taken up. */
  #node = '';
  #isStopped = false;
  #isFailureTold = false;
  #following: Promise<void> | undefined;

  /** @param redis a connection that nothing else uses */
  constructor(redis: RedisConnection, names: RedisNames, known: KnownStore, clock: Clock, warn: Warn) {
    this.#redis = redis;
    this.#names = names;
    this.#known = known;
    this.#clock = clock;
    this.#warn = warn;
  }

  async start(onChange: (change: Change) => void): Promise<void> {
    this.#onChange = onChange;
    // Why a server is refused is said by the connection that carries the operations.
    this.#redis.open().catch(() => {});
    const { promise: live, resolve } = Promise.withResolvers<void>();
    this.#following = this.#follow(resolve);
    const bound = new AbortController();
    await Promise.race([live, pause(BOUNDS.storeConnectMs, undefined, { signal: bound.signal })]);
    bound.abort();
  }

  /** On the feed's clock, when the last answered question was asked: what is known is at least as new as that. */
  lastHeardMs(): number {
    return this.#heardMs;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#redis.close();
    await this.#following;
  }

  async #follow(onLive: () => void): Promise<void> {
    for (let isFirst = true; !this.#isStopped; isFirst = false) {
      try {
        if (await this.#redis.whenUsable(BOUNDS.storeConnectMs)) {
          await this.#begin(isFirst);
          onLive();
          for (;;) await (this.#known.doubt === undefined ? this.#readOn() : this.#waitForKnown());
        }
      } catch (error) {
        this.#tellFailure(error);
      }
      if (!this.#isStopped) await pause(RETRY_MS);
    }
  }

  /** Takes up the stream at its end. What was cached before that may be out of date, but for the first time. */
  async #begin(isFirst: boolean): Promise<void> {
    const askedMs = this.#clock();
    this.#node = this.#redis.node;
    const sight = await this.#see();
    this.#isFailureTold = false;
    if (sight === undefined) return;
    this.#position = sight.last ?? BEFORE_ALL;
    this.#unconfirmed = undefined;
    if (!isFirst) this.#onChange({ kind: 'reset' });
    await this.#confirm();
    this.#heardMs = askedMs;
  }

  /** The store that answers is not the known one, which may come back. */
  async #waitForKnown(): Promise<void> {
    await pause(BOUNDS.changeBlockMs);
    await this.#begin(false);
  }

  async #readOn(): Promise<void> {
    const askedMs = this.#clock();
    const reply = streams.parse(await this.#askPrimary((client) => this.#read(client)));
    const read = reply?.[0]?.[1] ?? [];
    if (read.length === 0) return this.#checkPlace();
    // To forget a key is never wrong. That the store is the known one still is looked at behind it.
    const last = this.#pass(read);
    if ((await this.#see()) === undefined) return;
    this.#position = last;
    await this.#confirm();
    this.#heardMs = askedMs;
  }

  /** Tells the changes, and gives the last one. */
  #pass(read: readonly StreamEntry[]): Position {
    let before = this.#position;
    for (const entry of read) {
      const change = changeOf(entry);
      const key = fieldOf(entry[1], 'id');
      const isNext = change.generation === before.generation + 1;
      before = change;
      this.#onChange(
        isNext && key !== undefined && KEY_ID_PATTERN.test(key) ? { kind: 'key', id: key } : { kind: 'reset' },
      );
    }
    return before;
  }

  /** After a silence: the store is heard from if it has nothing newer, which would be read next. */
  async #checkPlace(): Promise<void> {
    const askedMs = this.#clock();
    const sight = await this.#see();
    if (sight === undefined || (sight.last?.at ?? '') !== this.#position.at) return;
    await this.#confirm();
    this.#heardMs = askedMs;
  }

  /**
   * From now on the store has to have what was read, once a replica has it, too: what only a primary had that was lost
   * was never acknowledged. Without replicas it has to have it at once.
   */
  async #confirm(): Promise<void> {
    if (this.#position.at === this.#known.lineage?.at) return;
    const replication = await this.#redis.send(replicationOf, FOLLOWS_ASK);
    if (!(await this.#isServedStill())) return;
    if (replication === undefined || replication.confirmed.length === 0) return this.#known.advance(this.#position);
    const { offset, confirmed } = replication;
    this.#unconfirmed ??= { change: this.#position, offset };
    if (Math.max(...confirmed) < this.#unconfirmed.offset) return;
    this.#known.advance(this.#unconfirmed.change);
    this.#unconfirmed = undefined;
  }

  /** Whether no other primary is, or is about to be, in the place of this one: what only this one has is lost then. */
  async #isServedStill(): Promise<boolean> {
    // Nobody waits for this, so there is time for a Sentinel that is away.
    const node = await this.#redis.serving(2 * BOUNDS.storeGuideGraceMs).catch(() => null);
    return node === undefined || node === this.#node;
  }

  /** Looks whether the store is the known one; undefined if it is not. */
  async #see(): Promise<Sight | undefined> {
    let sight = await this.#look();
    // A server that changes its role between two of the questions shows a store that never was.
    if (this.#known.doubt === undefined && doubtOf(this.#known.lineage, sight) !== undefined) {
      await pause(RETRY_MS);
      sight = await this.#look();
    }
    return this.#known.judge(sight) ? sight : undefined;
  }

  async #look(): Promise<Sight> {
    const known = this.#known.lineage;
    const send = <T>(work: (client: Redis) => Promise<T>): Promise<T> => this.#redis.send(work, FOLLOWS_ASK);
    const seen = await seeRedis(this.#names, known, send, (question) => this.#askPrimary(question));
    return await nameEpoch(this.#names, known, seen, send);
  }

  /**
   * Asks where the stream is just now, and only whoever could take a change: a server that was demoted or cut off
   * answers too, and knows nothing of what others were told.
   */
  #askPrimary<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    return this.#redis.send(async (client) => {
      const [refusal, answer] = await Promise.all([changeRefusal(client, this.#names.changes), question(client)]);
      if (refusal) throw refusal;
      return answer;
    }, FOLLOWS_ASK);
  }

  #read(client: Redis): Promise<unknown> {
    const { changeBlockMs } = BOUNDS;
    const from = this.#position.at || '0-0';
    return client.xread('COUNT', READ_AT_ONCE, 'BLOCK', changeBlockMs, 'STREAMS', this.#names.changes, from);
  }

  /** A lost connection is told of elsewhere; what Redis answers instead of the stream is told here, once. */
  #tellFailure(error: unknown): void {
    const isAnswer = isReply(error) || error instanceof z.ZodError;
    if (this.#isStopped || this.#isFailureTold || !isAnswer || refusalOf(error)) return;
    this.#isFailureTold = true;
    this.#warn('The change feed cannot be read; trying until it can', {
      redis: this.#redis.address,
      error: redisWords(error),
      cure: redisCure(error) ?? null,
    });
  }
}
