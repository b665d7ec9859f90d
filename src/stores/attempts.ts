// Failed attempts on rate-limiter-flexible. Three limiters: one counts attempts in a window, the others only hold
// blocks and sources of good keys, so that counting and forgiving never touch these. All are asked in ways that never
// reject because of a number; the guard decides what a number means.
import {
  type IRateLimiterOptions,
  RateLimiterRedis,
  type RateLimiterLike,
  type RateLimiterRes,
} from 'rate-limiter-flexible';
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import type { AttemptCounter, Attempts, StoreObserver } from '../core/ports.ts';
import { BoundedMemoryLimiter } from './bounded-memory-limiter.ts';
import { withinTime } from './operations.ts';
import type { RedisNames } from './redis-names.ts';

interface AttemptOptions {
  readonly failures: number;
  readonly perMs: number;
  readonly blockMs: number;
}

/** Counts in this process: for a store that only one machine has. */
export function memoryAttempts(options: AttemptOptions): AttemptCounter {
  const limiters = memoryLimiters(options);
  return attemptCounter(limiters, async (source) => {
    const [{ consumedPoints }, held] = await Promise.all([
      limiters.counts.penalty(source),
      limiters.blocks.get(source),
    ]);
    return { attempts: consumedPoints, blockedMs: leftMs(held) };
  });
}

/**
 * Counts shared by all gateways on a Redis; while it does not answer, each counts for itself.
 * @param client a connection that nothing else uses: the library registers a script on it by name
 */
export function redisAttempts(
  client: Redis,
  names: RedisNames,
  options: AttemptOptions,
  timeoutMs: number,
  observe: StoreObserver,
): AttemptCounter {
  const insurance = memoryLimiters(options);
  const script = countScript(names);
  const shared = { storeClient: client, rejectIfRedisNotReady: true, customIncrTtlLuaScript: script };
  const limiter = (own: IRateLimiterOptions, keyPrefix: string, insuranceLimiter: RateLimiterLike) =>
    new RateLimiterRedis({ ...shared, ...own, keyPrefix, insuranceLimiter });
  const limiters = {
    counts: limiter(countOptions(options), names.attempts, insurance.counts),
    blocks: limiter(holdOptions(options), names.blocks, insurance.blocks),
    vouched: limiter(holdOptions(options), names.vouched, insurance.vouched),
  };
  const connected = firstConnection(client, timeoutMs);
  const run: Run = async (work) => {
    await connected;
    const began = performance.now();
    const result = await work();
    // Without its connection the library has answered from this process.
    observe('attempt', performance.now() - began, client.status !== 'ready');
    return result;
  };
  const count = async (source: string): Promise<Attempts> => {
    const { consumedPoints, msBeforeNext } = await limiters.counts.penalty(source);
    if (consumedPoints < 0) return { attempts: -consumedPoints, blockedMs: msBeforeNext };
    // A block that Redis did not take holds here all the same.
    return { attempts: consumedPoints, blockedMs: leftMs(await insurance.blocks.get(source)) };
  };
  return attemptCounter(limiters, count, run);
}

/**
 * The library's own script, but a count never falls below none: an attempt that is forgiven after its window
 * has ended would else be a credit. And the count of a source that is blocked is negative, with the time that is left of
 * the block: a window is shorter than a block, and ends for a gateway that has not met the source yet.
 * It has to be the same for all limiters of one client.
 */
function countScript({ attempts, blocks }: RedisNames): string {
  return `
redis.call('SET', KEYS[1], 0, 'EX', ARGV[2], 'NX')
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count < 0 then
  redis.call('SET', KEYS[1], 0, 'EX', ARGV[2])
  count = 0
end
local blocked = redis.call('PTTL', '${blocks}' .. string.sub(KEYS[1], ${attempts.length + 1}))
if blocked > 0 and count > 0 then return {-count, blocked} end
return {count, redis.call('PTTL', KEYS[1])}
`;
}

interface Limiters {
  readonly counts: RateLimiterLike;
  readonly blocks: RateLimiterLike;
  readonly vouched: RateLimiterLike;
}

type Run = <T>(work: () => Promise<T>) => Promise<T>;

function attemptCounter(
  { counts, blocks, vouched }: Limiters,
  count: (source: string) => Promise<Attempts>,
  run: Run = (work) => work(),
): AttemptCounter {
  return {
    count: (source) => run(() => count(encodeURIComponent(source))),
    async forgive(source) {
      await run(() => counts.reward(encodeURIComponent(source)));
    },
    async block(source, blockMs) {
      await run(() => blocks.block(encodeURIComponent(source), wholeSeconds(blockMs)));
    },
    async vouch(source, goodMs) {
      await run(() => vouched.block(encodeURIComponent(source), wholeSeconds(goodMs)));
    },
    async vouchedForMs(source) {
      return leftMs(await run(() => vouched.get(encodeURIComponent(source))));
    },
  };
}

function leftMs(held: RateLimiterRes | null): number {
  return held === null ? 0 : Math.max(0, held.msBeforeNext);
}

function memoryLimiters(options: AttemptOptions) {
  return {
    counts: new BoundedMemoryLimiter(countOptions(options), BOUNDS.guardSources),
    blocks: new BoundedMemoryLimiter(holdOptions(options), BOUNDS.guardSources),
    vouched: new BoundedMemoryLimiter(holdOptions(options), BOUNDS.guardSources),
  };
}

function countOptions({ failures, perMs }: AttemptOptions) {
  return { points: failures, duration: wholeSeconds(perMs) };
}

function holdOptions({ blockMs }: AttemptOptions) {
  return { points: 0, duration: wholeSeconds(blockMs) };
}

/** The library counts in whole seconds, and a part of one as for ever. */
function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

/** Waits, once and within the bound, for a connection that is being made for the first time. */
async function firstConnection(client: Redis, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return;
  const connecting =
    client.status === 'wait' ? client.connect() : new Promise<void>((resolve) => client.once('ready', () => resolve()));
  await withinTime(connecting, timeoutMs, 'not connected').catch(() => {});
}
