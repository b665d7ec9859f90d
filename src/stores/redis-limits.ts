// Limits in Redis: one script a take, on the server's clock, so that any number of gateways count as one.
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import type {
  LeaseDemand,
  Leased,
  LeaseState,
  LimitDemand,
  LimitStore,
  SeatDemand,
  Taken,
  Unspent,
} from '../core/ports.ts';
import type { RedisConnection } from './redis-connection.ts';
import { GIVE_BACK_SCRIPT, RENEW_SCRIPT, TAKE_SCRIPT } from './redis-limits-script.ts';
import type { RedisNames } from './redis-names.ts';
import type { RedisScript } from './redis-script.ts';

/** Seats renewed by one script, so that none takes long. */
const RENEWED_AT_ONCE = 500;

const integers = z.array(z.int());
/** Numbers of the take script's answer: before those of the demands, and of each. */
const ANSWER_HEAD = 3;
const ANSWER_EACH = 5;

/** The scripts that decide; tests compose them with a clock of their own. */
export interface LimitScripts {
  readonly take: RedisScript;
  readonly giveBack: RedisScript;
}

export class RedisLimits implements LimitStore {
  readonly #redis: RedisConnection;
  readonly #names: RedisNames;
  readonly #leaseMs: number;
  readonly #scripts: LimitScripts;

  /** @param leaseMs how long a seat is held without being renewed */
  constructor(
    redis: RedisConnection,
    names: RedisNames,
    leaseMs: number = BOUNDS.concurrencyLeaseMs,
    scripts: LimitScripts = { take: TAKE_SCRIPT, giveBack: GIVE_BACK_SCRIPT },
  ) {
    this.#redis = redis;
    this.#names = names;
    this.#leaseMs = leaseMs;
    this.#scripts = scripts;
  }

  take(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    return this.#take('take', demands, seat);
  }

  lease(demands: readonly LeaseDemand[], seat?: SeatDemand): Promise<Leased> {
    return this.#take('lease', demands, seat);
  }

  async giveBack(unspent: readonly Unspent[]): Promise<void> {
    const keys = unspent.map(({ algorithm, periodMs, id }) => this.#names.limit(algorithm, periodMs, id));
    const values: (string | number)[] = [];
    for (const { algorithm, requests, periodMs, burst, cost, lapsesAt } of unspent)
      values.push(algorithm, requests, periodMs, burst, cost, lapsesAt);
    await this.#redis.script('give_back', this.#scripts.giveBack, keys, values);
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

  async #take(
    operation: 'take' | 'lease',
    demands: readonly (LimitDemand & Partial<LeaseDemand>)[],
    seat?: SeatDemand,
  ): Promise<Leased> {
    try {
      return await this.#ask(operation, demands, seat);
    } catch (error) {
      // Whether the seat was taken is unknown. It is given back as far as possible; its lease does the rest.
      if (seat && this.#redis.isUsable) this.release(seat.id, seat.token).catch(() => {});
      throw error;
    }
  }

  async #ask(
    operation: 'take' | 'lease' | 'peek',
    demands: readonly (LimitDemand & Partial<LeaseDemand>)[],
    seat?: SeatDemand,
  ): Promise<Leased> {
    const keys = demands.map(({ algorithm, periodMs, id }) => this.#names.limit(algorithm, periodMs, id));
    const values: (string | number)[] = [operation === 'peek' ? 0 : 1, demands.length];
    for (const { algorithm, requests, periodMs, burst, cost, ahead = 0, pacePerS = 0 } of demands) {
      values.push(algorithm, requests, periodMs, burst, cost, operation === 'lease' ? ahead : 0, pacePerS);
    }
    if (seat) {
      keys.push(this.#names.seats(seat.id));
      values.push(seat.limit, seat.token, this.#leaseMs);
    }
    const reply = await this.#redis.script(operation, this.#scripts.take, keys, values);
    return readTaken(operation, reply, demands.length);
  }
}

function readTaken(operation: string, reply: unknown, demands: number): Leased {
  const numbers = integers.safeParse(reply).data;
  if (numbers?.length !== ANSWER_HEAD + ANSWER_EACH * demands)
    throw new StoreFault(operation, 'Redis answered with something that is not an answer');
  const [isAdmitted = 0, isSeatRefused = 0, nowMs = 0] = numbers;
  const limits: LeaseState[] = [];
  for (let at = ANSWER_HEAD; at < numbers.length; at += ANSWER_EACH) {
    const [remaining = 0, resetMs = 0, isViolated = 0, granted = 0, lapseMs = 0] = numbers.slice(at, at + ANSWER_EACH);
    limits.push({ remaining, resetMs, isViolated: isViolated === 1, granted, lapseMs, lapsesAt: nowMs + lapseMs });
  }
  return { isAdmitted: isAdmitted === 1, isSeatRefused: isSeatRefused === 1, limits };
}
