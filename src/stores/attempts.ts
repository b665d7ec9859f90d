// Failed attempts on rate-limiter-flexible. Two limiters: one counts attempts in a window, the other only
// holds blocks, so that counting and forgiving never touch a block. Both are asked in ways that never reject
// because of a number; the guard decides what a number means.
import { RateLimiterRedis, type RateLimiterAbstract } from 'rate-limiter-flexible';
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import type { AttemptCounter, StoreObserver } from '../core/ports.ts';
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
  const { counts, blocks } = memoryLimiters(options);
  return attemptCounter(counts, blocks);
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
  const shared = { storeClient: client, rejectIfRedisNotReady: true, customIncrTtlLuaScript: COUNT_SCRIPT };
  const counts = new RateLimiterRedis({
    ...shared,
    ...countOptions(options),
    keyPrefix: names.attempts,
    insuranceLimiter: insurance.counts,
  });
  const blocks = new RateLimiterRedis({
    ...shared,
    ...blockOptions(options),
    keyPrefix: names.blocks,
    insuranceLimiter: insurance.blocks,
  });
  const connected = firstConnection(client, timeoutMs);
  return attemptCounter(counts, blocks, async (work) => {
    await connected;
    const began = performance.now();
    const result = await work();
    // Without its connection the library has answered from this process.
    observe('attempt', performance.now() - began, client.status !== 'ready');
    return result;
  });
}

/**
 * The library's own script, but a count never falls below none: an attempt that is forgiven after its window
 * has ended would else be a credit. It has to be the same for all limiters of one client.
 */
const COUNT_SCRIPT = `
redis.call('SET', KEYS[1], 0, 'EX', ARGV[2], 'NX')
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count < 0 then
  redis.call('SET', KEYS[1], 0, 'EX', ARGV[2])
  count = 0
end
return {count, redis.call('PTTL', KEYS[1])}
`;

type Run = <T>(work: () => Promise<T>) => Promise<T>;

function attemptCounter(
  counts: RateLimiterAbstract,
  blocks: RateLimiterAbstract,
  run: Run = (work) => work(),
): AttemptCounter {
  return {
    async count(source) {
      const { consumedPoints } = await run(() => counts.penalty(encodeURIComponent(source)));
      return consumedPoints;
    },
    async forgive(source) {
      await run(() => counts.reward(encodeURIComponent(source)));
    },
    async block(source, blockMs) {
      await run(() => blocks.block(encodeURIComponent(source), wholeSeconds(blockMs)));
    },
    async blockedForMs(source) {
      const held = await run(() => blocks.get(encodeURIComponent(source)));
      return held === null ? 0 : Math.max(0, held.msBeforeNext);
    },
  };
}

function memoryLimiters(options: AttemptOptions) {
  return {
    counts: new BoundedMemoryLimiter(countOptions(options), BOUNDS.guardSources),
    blocks: new BoundedMemoryLimiter(blockOptions(options), BOUNDS.guardSources),
  };
}

function countOptions({ failures, perMs }: AttemptOptions) {
  return { points: failures, duration: wholeSeconds(perMs) };
}

function blockOptions({ blockMs }: AttemptOptions) {
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
