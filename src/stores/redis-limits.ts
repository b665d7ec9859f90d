// Limits in Redis: one script a take, on the server's clock, so that any number of gateways count as one.
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import type { LimitDemand, LimitState, LimitStore, SeatDemand, Taken } from '../core/ports.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RENEW_SCRIPT, TAKE_SCRIPT } from './redis-limits-script.ts';
import type { RedisNames } from './redis-names.ts';
import type { RedisScript } from './redis-script.ts';

/** Seats renewed by one script, so that none takes long. */
const RENEWED_AT_ONCE = 500;

const integers = z.array(z.int());

export class RedisLimits implements LimitStore {
  readonly #redis: RedisConnection;
  readonly #names: RedisNames;
  readonly #leaseMs: number;
  readonly #script: RedisScript;

  /**
   * @param leaseMs how long a seat is held without being renewed
   * @param script what decides; tests compose it with a clock of their own
   */
  constructor(
    redis: RedisConnection,
    names: RedisNames,
    leaseMs: number = BOUNDS.concurrencyLeaseMs,
    script: RedisScript = TAKE_SCRIPT,
  ) {
    this.#redis = redis;
    this.#names = names;
    this.#leaseMs = leaseMs;
    this.#script = script;
  }

  async take(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    try {
      return await this.#ask('take', demands, seat);
    } catch (error) {
      // Whether the seat was taken is unknown. It is given back as far as possible; its lease does the rest.
      if (seat && this.#redis.isUsable) this.release(seat.id, seat.token).catch(() => {});
      throw error;
    }
  }

  peek(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    return this.#ask('peek', demands, seat);
  }

  async release(id: string, token: string): Promise<void> {
    await this.#redis.run('release', (client) => client.zrem(this.#names.seats(id), token));
  }

  async renew(seats: readonly { readonly id: string; readonly token: string }[]): Promise<void> {
    for (let from = 0; from < seats.length; from += RENEWED_AT_ONCE) {
      const some = seats.slice(from, from + RENEWED_AT_ONCE);
      const keys = some.map(({ id }) => this.#names.seats(id));
      await this.#redis.script('renew', RENEW_SCRIPT, keys, [this.#leaseMs, ...some.map(({ token }) => token)]);
    }
  }

  async #ask(operation: 'take' | 'peek', demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    const keys = demands.map(({ algorithm, periodMs, id }) => this.#names.limit(algorithm, periodMs, id));
    const values: (string | number)[] = [operation === 'take' ? 1 : 0, demands.length];
    for (const { algorithm, requests, periodMs, burst, cost } of demands)
      values.push(algorithm, requests, periodMs, burst, cost);
    if (seat) {
      keys.push(this.#names.seats(seat.id));
      values.push(seat.limit, seat.token, this.#leaseMs);
    }
    const reply = await this.#redis.script(operation, this.#script, keys, values);
    return readTaken(operation, reply, demands.length);
  }
}

function readTaken(operation: string, reply: unknown, demands: number): Taken {
  const numbers = integers.safeParse(reply).data;
  if (numbers?.length !== 2 + 3 * demands)
    throw new StoreFault(operation, 'Redis answered with something that is not an answer');
  const limits: LimitState[] = [];
  for (let at = 2; at < numbers.length; at += 3)
    limits.push({ remaining: numbers[at] ?? 0, resetMs: numbers[at + 1] ?? 0, isViolated: numbers[at + 2] === 1 });
  return { isAdmitted: numbers[0] === 1, isSeatRefused: numbers[1] === 1, limits };
}
