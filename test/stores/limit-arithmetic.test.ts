// The arithmetic of limits under random histories: its guarantees, and that the Redis script is the same.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import type { LeaseDemand, LimitDemand, Unspent } from '../../src/core/ports.ts';
import { giveBack, weigh, type Counts } from '../../src/stores/limit-arithmetic.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { giveBackScriptText, takeScriptText } from '../../src/stores/redis-limits-script.ts';
import { RedisLimits } from '../../src/stores/redis-limits.ts';
import { redisNames } from '../../src/stores/redis-names.ts';
import { RedisScript } from '../../src/stores/redis-script.ts';
import { storeSettings } from '../support/backings.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { FUZZ_SEED } from '../support/seeded-numbers.ts';

const DAY = 86_400_000;
const START = 1_753_000_000_123;

/** A demand, and when it is made: ms after the one before, or before it where the clock jumps back. */
interface Step {
  readonly afterMs: number;
  readonly cost: number;
  /** What is asked for ahead, at which pace; and which part of a grant is given back at the next step. */
  readonly ahead: number;
  readonly pacePerS: number;
  readonly unspentPart: number;
}

const periodMs = fc.oneof(
  fc.constantFrom(1_000, 1_001, 10_000, 50_000, 50_001, 60_000, DAY, 30 * DAY, 366 * DAY),
  fc.integer({ min: 1_000, max: 366 * DAY }),
);
const amount = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000_000 }));
const rule: fc.Arbitrary<LimitDemand> = fc.record({
  id: fc.constant('subject'),
  algorithm: fc.constantFrom('fixed', 'sliding', 'bucket'),
  requests: amount,
  periodMs,
  burst: amount,
  cost: fc.constant(1),
});

function stepsFor(demand: LimitDemand, jumpsBack: boolean): fc.Arbitrary<Step[]> {
  const most = demand.algorithm === 'bucket' ? demand.burst : demand.requests;
  const afterMs = fc.oneof(
    fc.integer({ min: 0, max: Math.ceil(demand.periodMs / 8) }),
    fc.integer({ min: 0, max: 3 * demand.periodMs }),
    ...(jumpsBack ? [fc.integer({ min: -3 * demand.periodMs, max: -1 })] : []),
  );
  const cost = fc.integer({ min: 0, max: Math.min(1_000_000, most + 1) });
  const ahead = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 65_536 }));
  const pacePerS = fc.integer({ min: 1, max: 1_000_000 });
  const unspentPart = fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }));
  const step = fc.record({ afterMs, cost, ahead, pacePerS, unspentPart });
  return fc.array(step, { minLength: 1, maxLength: 25 });
}

const history = (jumpsBack: boolean) =>
  rule.chain((demand) => fc.record({ demand: fc.constant(demand), steps: stepsFor(demand, jumpsBack) }));

/** Plays the steps and tells of each. */
function play(
  demand: LimitDemand,
  steps: readonly Step[],
  see: (at: { nowMs: number; kept: Counts | undefined; demand: LimitDemand; took: boolean }) => void,
): Counts | undefined {
  let nowMs = START;
  let kept: Counts | undefined;
  for (const { afterMs, cost } of steps) {
    nowMs += afterMs;
    const wanted = { ...demand, cost };
    const weighed = weigh(wanted, kept, nowMs);
    see({ nowMs, kept, demand: wanted, took: weighed.fits });
    if (weighed.fits) kept = weighed.taken;
  }
  return kept;
}

describe(`the arithmetic of limits (FUZZ_SEED=${FUZZ_SEED})`, () => {
  it('a refused request is told exactly when it would fit', () => {
    fc.assert(
      fc.property(history(false), ({ demand, steps }) => {
        play(demand, steps, ({ nowMs, kept, demand: wanted, took }) => {
          const most = demand.algorithm === 'bucket' ? demand.burst : demand.requests;
          if (took || wanted.cost > most) return;
          const { resetMs } = weigh(wanted, kept, nowMs).ifLeft;
          if (resetMs >= 1e12) return;
          assert.ok(resetMs >= 1);
          assert.equal(weigh(wanted, kept, nowMs + resetMs).fits, true);
          assert.equal(weigh(wanted, kept, nowMs + resetMs - 1).fits, false);
        });
      }),
      { seed: FUZZ_SEED, numRuns: 500 },
    );
  });

  it('a fixed window never admits more than its limit, and no window of a sliding limit does', () => {
    fc.assert(
      fc.property(history(false), ({ demand, steps }) => {
        if (demand.algorithm === 'bucket') return;
        const counted = new Map<number, number>();
        play(demand, steps, ({ nowMs, kept, demand: wanted, took }) => {
          if (!took) return;
          const start = weigh(wanted, kept, nowMs).taken[0];
          const count = (counted.get(start) ?? 0) + wanted.cost;
          counted.set(start, count);
          assert.ok(count <= demand.requests);
        });
      }),
      { seed: FUZZ_SEED, numRuns: 300 },
    );
  });

  it('a bucket admits in any time no more than its burst and what the time refills', () => {
    fc.assert(
      fc.property(history(false), ({ demand, steps }) => {
        if (demand.algorithm !== 'bucket') return;
        const taken: { nowMs: number; cost: number }[] = [];
        play(demand, steps, ({ nowMs, demand: wanted, took }) => {
          if (took) taken.push({ nowMs, cost: wanted.cost });
        });
        for (const [from, first] of taken.entries()) {
          let sum = 0;
          for (const { nowMs, cost } of taken.slice(from)) {
            sum += cost;
            // A step may have been due just before the first.
            const stepMs = Math.max(demand.periodMs / 10, 200_000);
            const refilled = (demand.requests * (nowMs - first.nowMs + stepMs)) / demand.periodMs;
            assert.ok(sum <= demand.burst + refilled + 1);
          }
        }
      }),
      { seed: FUZZ_SEED, numRuns: 300 },
    );
  });

  it('a clock that jumps back never admits more, and locks nobody out for longer than a period', () => {
    fc.assert(
      fc.property(history(true), fc.integer({ min: 1, max: 1_000 }), ({ demand, steps }, back) => {
        play(demand, steps, ({ nowMs, kept }) => {
          const jumpedMs = nowMs - Math.ceil((back * demand.periodMs) / 100);
          const one = { ...demand, cost: 1 };
          const before = weigh(one, kept, nowMs);
          const after = weigh(one, kept, jumpedMs);
          const last = kept && kept[0] <= nowMs && kept[0] > jumpedMs;
          if (last && demand.algorithm !== 'bucket') assert.ok(after.ifLeft.remaining <= before.ifLeft.remaining);
          const refillMs = demand.periodMs / demand.requests + Math.max(demand.periodMs / 10, 200_000);
          const longest = { fixed: demand.periodMs, sliding: 2 * demand.periodMs, bucket: refillMs }[demand.algorithm];
          if (!after.fits) assert.ok(after.ifLeft.resetMs <= longest);
        });
      }),
      { seed: FUZZ_SEED, numRuns: 500 },
    );
  });

  it('what is given back lets no more pass than if it had never been granted', () => {
    let givenBack = 0;
    fc.assert(
      fc.property(history(false), ({ demand, steps }) => {
        let nowMs = START;
        let kept: Counts | undefined;
        // The counts if only what is spent had been taken, and how much of the last grant was not.
        let without: Counts | undefined;
        let unspent: Unspent | undefined;
        for (const { afterMs, unspentPart, ...asked } of steps) {
          nowMs += afterMs;
          const left = unspent && giveBack(unspent, kept, nowMs);
          const one = { ...demand, cost: 0 };
          if (left) {
            kept = left.counts;
            givenBack++;
            const { remaining } = weigh(one, kept, nowMs).ifLeft;
            assert.ok(remaining <= weigh(one, without, nowMs).ifLeft.remaining);
          }
          const { fits, taken, ifTaken, lifeMs } = weigh({ ...demand, ...asked }, kept, nowMs, asked);
          unspent = undefined;
          without = kept;
          if (!fits || lifeMs === 0) continue;
          const unspentCost = Math.ceil(ifTaken.granted * unspentPart);
          unspent = { ...demand, cost: unspentCost, lapsesAt: ifTaken.lapsesAt };
          without = weigh({ ...demand, cost: asked.cost + ifTaken.granted - unspentCost }, kept, nowMs).taken;
          kept = taken;
          // Others take meanwhile, and the clock goes on.
          nowMs += Math.floor(afterMs / 3);
          const other = weigh({ ...demand, cost: 1 }, kept, nowMs);
          if (!other.fits) continue;
          kept = other.taken;
          const same = weigh({ ...demand, cost: 1 }, without, nowMs);
          assert.ok(same.fits || demand.algorithm === 'bucket');
          without = same.taken;
        }
      }),
      { seed: FUZZ_SEED, numRuns: 500 },
    );
    assert.ok(givenBack > 100, `${givenBack} were given back`);
  });

  it('nothing is given back to a window that a clock that jumped back made of another', () => {
    const demand: LimitDemand = { id: 's', algorithm: 'fixed', requests: 500, periodMs: 1_000, burst: 1, cost: 1 };
    const { taken, ifTaken } = weigh(demand, undefined, 5_500, { ahead: 9, pacePerS: 1_000 });
    const next = weigh(demand, taken, 6_000).taken;
    const unspent = { ...demand, cost: ifTaken.granted, lapsesAt: ifTaken.lapsesAt };
    assert.deepEqual(giveBack(unspent, taken, 5_999)?.counts, [5_000, 1, 0]);
    assert.equal(giveBack(unspent, next, 5_999), undefined);
  });

  it('counts that have outlived their time mean as much as none', () => {
    fc.assert(
      fc.property(history(true), ({ demand, steps }) => {
        play(demand, steps, ({ nowMs, kept, demand: wanted, took }) => {
          if (!took || wanted.cost === 0) return;
          const { taken, lifeMs } = weigh(wanted, kept, nowMs);
          assert.ok(lifeMs >= 1);
          if (lifeMs >= 1e12) return;
          assert.deepEqual(weigh(wanted, taken, nowMs + lifeMs), weigh(wanted, undefined, nowMs + lifeMs));
        });
      }),
      { seed: FUZZ_SEED, numRuns: 300 },
    );
  });
});

describe(`the Redis script against the arithmetic (FUZZ_SEED=${FUZZ_SEED})`, () => {
  const names = redisNames('test');
  let redis: TestRedis;
  let client: Redis;
  let connection: RedisConnection;
  let limits: RedisLimits;

  before(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
    connection = new RedisConnection({ ...storeSettings(redis.url), name: 'test' });
    await connection.open();
    // The same scripts on a clock that the test sets, and with counts that do not expire on the real one.
    const [take, giveBack] = [takeScriptText, giveBackScriptText].map((textOn) => {
      const text = textOn(`local now = tonumber(redis.call('GET', '{test}:now'))`);
      const kept = text.replace(`, 'PX', string.format('%.0f', math.min(LONGEST, life))`, '');
      assert.notEqual(kept, text);
      return new RedisScript(kept);
    });
    limits = new RedisLimits(connection, names, 1_000, { take: take!, giveBack: giveBack! });
  });
  after(async () => {
    connection.close();
    client.disconnect();
    await redis.dispose();
  });

  it('gives the same answers and keeps the same counts on every history', async () => {
    await fc.assert(
      fc.asyncProperty(history(true), async ({ demand, steps }) => {
        await client.flushdb();
        const key = names.limit(demand.algorithm, demand.periodMs, demand.id);
        let kept: Counts | undefined;
        let nowMs = START;
        let unspent: Unspent | undefined;
        for (const { afterMs, unspentPart, ...asked } of steps) {
          nowMs += afterMs;
          await client.set('{test}:now', nowMs);
          if (unspent) {
            await limits.giveBack([unspent]);
            const left = giveBack(unspent, kept, nowMs);
            // What outlives its time is as good as gone; only the script removes it at once.
            if (left) kept = left.lifeMs > 0 ? left.counts : undefined;
          }
          const wanted: LeaseDemand = { ...demand, ...asked };
          const { fits, taken, ifTaken, ifLeft, lifeMs } = weigh(wanted, kept, nowMs, wanted);
          assert.deepEqual(await limits.lease([wanted]), {
            isAdmitted: fits,
            isSeatRefused: false,
            limits: [fits ? ifTaken : ifLeft],
          });
          if (fits && lifeMs > 0) kept = taken;
          assert.equal(await client.get(key), kept === undefined ? null : kept.join(' '));
          const { granted, lapsesAt } = ifTaken;
          unspent = granted > 0 ? { ...demand, cost: Math.ceil(granted * unspentPart), lapsesAt } : undefined;
        }
      }),
      { seed: FUZZ_SEED, numRuns: 200 },
    );
  });

  it('takes what is not its own writing for nothing', async () => {
    const wanted: LimitDemand = { id: 'odd', algorithm: 'fixed', requests: 2, periodMs: DAY, burst: 2, cost: 1 };
    const key = names.limit('fixed', DAY, 'odd');
    await client.set('{test}:now', START);
    for (const spoil of [
      () => client.set(key, 'nonsense'),
      () => client.set(key, '1 2'),
      () => client.set(key, '-1 5 0'),
      () => client.set(key, `${'9'.repeat(400)} 1 1`),
      () => client.rpush(key, 'list'),
    ]) {
      await client.del(key);
      await spoil();
      assert.deepEqual((await limits.take([wanted])).limits[0]?.remaining, 1);
    }
  });

  it('seats on a clock that jumps: expired ones are free, ones from before a jump back too', async () => {
    const ask = async (token: string, nowMs: number) => {
      await client.set('{test}:now', nowMs);
      return (await limits.take([], { id: 'seats', limit: 1, token })).isAdmitted;
    };
    assert.equal(await ask('a', START), true);
    assert.equal(await ask('b', START + 999), false);
    assert.equal(await ask('b', START + 1_000), true);
    assert.equal(await client.zcard(names.seats('seats')), 1);
    assert.equal(await ask('c', START + 1_001), false);
    assert.equal(await ask('c', START - 3_600_000), true);
  });
});
