// Leases on a real Redis: how much of a limit several gateways can use, and how often Redis is asked, by its own count.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { LimitAlgorithm, LimitDemand } from '../../src/core/ports.ts';
import { LeasedLimits } from '../../src/stores/leased-limits.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { RedisLimits } from '../../src/stores/redis-limits.ts';
import { redisNames } from '../../src/stores/redis-names.ts';
import { storeSettings } from '../support/backings.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const ALGORITHMS: readonly LimitAlgorithm[] = ['fixed', 'sliding', 'bucket'];
const LIMIT = 10_000;
/** Of 100 requests, how many come to each gateway; how many are under way at once follows from it. */
const SHARES = [70, 20, 8, 2];
/** Long enough that no window ends while a test runs. */
const PERIOD_MS = 300 * 86_400_000;

describe('leases on Redis', () => {
  let redis: TestRedis;
  let client: Redis;
  const connections: RedisConnection[] = [];
  before(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
  });
  after(async () => {
    for (const connection of connections) connection.close();
    client.disconnect();
    await redis.dispose();
  });

  async function open(): Promise<LeasedLimits> {
    const connection = new RedisConnection({ ...storeSettings(redis.url), name: 'test' });
    connections.push(connection);
    await connection.open();
    return new LeasedLimits(new RedisLimits(connection, redisNames('test')));
  }

  const demandOf = (id: string, algorithm: LimitAlgorithm): readonly LimitDemand[] => [
    { id, algorithm, requests: LIMIT, periodMs: PERIOD_MS, burst: LIMIT, cost: 1 },
  ];

  /** Commands that Redis has run for scripts, by its own count. */
  async function scripts(): Promise<number> {
    const stats = await client.info('commandstats');
    return [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].reduce(
      (sum, [, calls]) => sum + Number(calls),
      0,
    );
  }

  for (const algorithm of ALGORITHMS) {
    it(`${algorithm}: 4 gateways under uneven load use at least 98% of a limit and never more`, async () => {
      const before = await scripts();
      const gateways = await Promise.all(SHARES.map(open));
      let begun = 0;
      let admitted = 0;
      const ask = async (limits: LeasedLimits, demands: readonly LimitDemand[], everyTurns: number): Promise<void> => {
        for (let turn = 0; begun < LIMIT * 1.1; turn++) {
          if (turn % everyTurns === 0) {
            begun++;
            const taken = limits.take(demands);
            if ((taken instanceof Promise ? await taken : taken).isAdmitted) admitted++;
          }
          await setImmediate();
        }
      };
      await Promise.all(
        gateways.flatMap((limits, at) => {
          const demands = demandOf('uneven', algorithm);
          // The last is one client that pauses; the others are as many as their share.
          const clients = Math.max(1, Math.round(SHARES[at]! / 4));
          return Array.from({ length: clients }, () => ask(limits, demands, at === SHARES.length - 1 ? 3 : 1));
        }),
      );
      assert.ok(admitted <= LIMIT && admitted >= 0.98 * LIMIT, `${admitted} of ${LIMIT}`);
      const asked = (await scripts()) - before;
      // The last ones go one by one, and so do those that are too many.
      assert.ok(asked < LIMIT / 4, `${asked} scripts for ${begun} requests`);
      await Promise.all(gateways.map((limits) => limits.close()));
      let rest = 0;
      while ((await gateways[0]!.take(demandOf('uneven', algorithm))).isAdmitted) rest++;
      assert.equal(admitted + rest, LIMIT, 'what was held when the last was asked for has been given back');
    });

    it(`${algorithm}: a client that asks one request after the other reaches Redis once in 20 at most`, async () => {
      const limits = await open();
      const demands = demandOf('steady', algorithm);
      const before = await scripts();
      for (let at = 0; at < 5_000; at++) {
        assert.equal((await limits.take(demands)).limits[0]?.remaining, LIMIT - 1 - at);
        await setImmediate();
      }
      const asked = (await scripts()) - before;
      await limits.close();
      assert.ok(asked <= 5_000 / 20, `${asked} scripts for 5,000 requests`);
    });
  }
});
