// The change feed on Redis: a stream, read from where one left off on a connection of its own. Entries are
// numbered without gaps, so changes that were missed are noticed and told as a reset.
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { KEY_ID_PATTERN } from '../core/key-record.ts';
import type { Change, ChangeFeed, Clock } from '../core/ports.ts';
import type { RedisConnection } from './redis-connection.ts';
import { FOLLOWS_ASK } from './redis-errand.ts';
import { changeRefusal } from './redis-fitness.ts';
import { refusalOf } from './redis-refusal.ts';
import type { Warn } from './settings.ts';

const READ_AT_ONCE = 1_000;
/** Between two attempts to follow the stream, ms. */
const RETRY_MS = 50;

const entries = z.array(z.tuple([z.string(), z.array(z.string())]));
const streams = z.array(z.tuple([z.string(), entries])).nullable();

/** Where a reader is in the stream. Before the first entry: `0-0`, number 0. */
interface Position {
  readonly id: string;
  readonly number: number;
}

export class RedisChanges implements ChangeFeed {
  readonly #redis: RedisConnection;
  readonly #stream: string;
  readonly #clock: Clock;
  readonly #warn: Warn;
  #onChange: (change: Change) => void = () => {};
  #position: Position = { id: '0-0', number: 0 };
  #heardMs = 0;
  #isStopped = false;
  #isFailureTold = false;
  #following: Promise<void> | undefined;

  /** @param redis a connection that nothing else uses */
  constructor(redis: RedisConnection, stream: string, clock: Clock, warn: Warn) {
    this.#redis = redis;
    this.#stream = stream;
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
          for (;;) await this.#readOn();
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
    this.#position = await this.#askPrimary((client) => this.#end(client));
    if (!isFirst) this.#onChange({ kind: 'reset' });
    this.#heardMs = askedMs;
    this.#isFailureTold = false;
  }

  async #readOn(): Promise<void> {
    const askedMs = this.#clock();
    const reply = streams.parse(await this.#askPrimary((client) => this.#read(client)));
    const read = reply?.[0]?.[1] ?? [];
    if (read.length === 0) return this.#checkPlace();
    this.#pass(read);
    this.#heardMs = askedMs;
  }

  #pass(read: z.infer<typeof entries>): void {
    for (const [id, fields] of read) {
      const number = numberOf(fields);
      const key = fieldOf(fields, 'id');
      const isNext = number === this.#position.number + 1;
      this.#position = { id, number };
      this.#onChange(
        isNext && key !== undefined && KEY_ID_PATTERN.test(key) ? { kind: 'key', id: key } : { kind: 'reset' },
      );
    }
  }

  /** After a silence: the stream must still have our last entry at its end, or newer ones that are read next. */
  async #checkPlace(): Promise<void> {
    const askedMs = this.#clock();
    const end = await this.#askPrimary((client) => this.#end(client));
    if (isLater(end.id, this.#position.id)) return;
    if (end.id !== this.#position.id) {
      this.#position = end;
      this.#onChange({ kind: 'reset' });
    }
    this.#heardMs = askedMs;
  }

  /**
   * Asks where the stream is just now, and only whoever could take a change: a server that was demoted or cut off
   * answers too, and knows nothing of what others were told.
   */
  #askPrimary<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    return this.#redis.send(async (client) => {
      const [refusal, answer] = await Promise.all([changeRefusal(client, this.#stream), question(client)]);
      if (refusal) throw refusal;
      return answer;
    }, FOLLOWS_ASK);
  }

  #read(client: Redis): Promise<unknown> {
    const { changeBlockMs } = BOUNDS;
    return client.xread('COUNT', READ_AT_ONCE, 'BLOCK', changeBlockMs, 'STREAMS', this.#stream, this.#position.id);
  }

  async #end(client: Redis): Promise<Position> {
    const [last] = entries.parse(await client.xrevrange(this.#stream, '+', '-', 'COUNT', 1));
    return last ? { id: last[0], number: numberOf(last[1]) } : { id: '0-0', number: 0 };
  }

  /** A lost connection is told of elsewhere; what Redis answers instead of the stream is told here, once. */
  #tellFailure(error: unknown): void {
    if (this.#isStopped || this.#isFailureTold || !this.#redis.isUsable || refusalOf(error)) return;
    this.#isFailureTold = true;
    this.#warn('The change feed cannot be read; trying until it can', {
      redis: this.#redis.address,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

function fieldOf(fields: readonly string[], name: string): string | undefined {
  const at = fields.indexOf(name);
  return at % 2 === 0 ? fields[at + 1] : undefined;
}

/** An entry without a number is none of ours; what follows it is numbered from 1. */
function numberOf(fields: readonly string[]): number {
  return Number(fieldOf(fields, 'number')) || 0;
}

/** Whether one stream id (`ms-sequence`) comes after another. */
function isLater(one: string, other: string): boolean {
  const [ms = 0n, sequence = 0n] = one.split('-').map(BigInt);
  const [otherMs = 0n, otherSequence = 0n] = other.split('-').map(BigInt);
  return ms === otherMs ? sequence > otherSequence : ms > otherMs;
}
