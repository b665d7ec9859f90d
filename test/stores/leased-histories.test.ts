// Random histories of several gateways with leases on one store, in virtual time: answers that take their time, clocks
// that run wrong, gateways that die. Together they admit what takes one by one could have admitted.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { LimitDemand } from '../../src/core/ports.ts';
import { weigh } from '../../src/stores/limit-arithmetic.ts';
import { leasingStore, type LeasingGateway } from '../support/leasing.ts';
import { FUZZ_SEED } from '../support/seeded-numbers.ts';

const START = 1_753_000_000_123;

/** For a while, one gateway is asked at a pace. */
interface Stretch {
  readonly gateway: number;
  readonly everyMs: number;
  readonly times: number;
  readonly cost: number;
  /** The gateway dies at the end of it, and another takes its place. */
  readonly dies: boolean;
}

interface History {
  readonly rule: LimitDemand;
  readonly delays: readonly number[];
  /** How wrong each gateway's clock runs, parts in a million. */
  readonly wrongness: readonly number[];
  readonly stretches: readonly Stretch[];
}

const GATEWAYS = 3;

const history: fc.Arbitrary<History> = fc
  .record({
    algorithm: fc.constantFrom('fixed' as const, 'sliding' as const, 'bucket' as const),
    requests: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 130, max: 3_000 })),
    periodMs: fc.constantFrom(1_000, 1_001, 2_500, 10_000, 60_000),
    burstPart: fc.double({ min: 0.2, max: 3, noNaN: true }),
  })
  .chain(({ algorithm, requests, periodMs, burstPart }) =>
    fc.record({
      rule: fc.constant({
        id: 'subject',
        algorithm,
        requests,
        periodMs,
        burst: Math.ceil(requests * burstPart),
        cost: 1,
      }),
      delays: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 })), { minLength: 1, maxLength: 10 }),
      wrongness: fc.array(fc.integer({ min: -500, max: 500 }), { minLength: GATEWAYS, maxLength: GATEWAYS }),
      stretches: fc.array(
        fc.record({
          gateway: fc.nat(GATEWAYS - 1),
          everyMs: fc.oneof(fc.constant(0.05), fc.constantFrom(0.5, 2, 7.3), fc.integer({ min: 10, max: 400 })),
          times: fc.integer({ min: 1, max: 150 }),
          cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 })),
          dies: fc.nat(9).map((die) => die === 0),
        }),
        { minLength: 3, maxLength: 12 },
      ),
    }),
  );

interface Admission {
  readonly atMs: number;
  readonly cost: number;
}

interface Played {
  /** In the order of the times at which they count: the store's where it was asked, else the gateway's. */
  readonly admissions: readonly Admission[];
  /** Of them, how many were decided without asking. */
  readonly atOnce: number;
}

/** Plays a history. Stretches of different gateways go on side by side. */
async function play({ rule, delays, wrongness, stretches }: History): Promise<Played> {
  const scene = await leasingStore(START);
  const { time } = scene;
  const admissions: Admission[] = [];
  const pending: Promise<void>[] = [];
  const gateways: LeasingGateway[] = [];
  const replace = (at: number): void => {
    gateways[at] = scene.gateway({ wrongness: wrongness[at]! / 1_000_000 });
    let next = at;
    gateways[at].connection.delayMs = () => delays[next++ % delays.length]!;
  };
  for (let at = 0; at < GATEWAYS; at++) replace(at);
  const alike = new Map<number, readonly LimitDemand[]>();
  let atOnce = 0;

  function request({ limits, connection }: LeasingGateway, cost: number): void {
    const demands = alike.get(cost) ?? [{ ...rule, cost }];
    alike.set(cost, demands);
    const taken = limits.take(demands);
    if (!(taken instanceof Promise)) {
      if (!taken.isAdmitted) return;
      atOnce++;
      admissions.push({ atMs: time.nowMs, cost });
      return;
    }
    const asked = connection.operations.at(-1)!;
    pending.push(
      taken.then(({ isAdmitted }) => {
        if (isAdmitted) admissions.push({ atMs: asked.executedAt!, cost });
      }),
    );
  }

  try {
    const beginsAt = Array.from({ length: GATEWAYS }, () => START);
    for (const { gateway, everyMs, times, cost, dies } of stretches) {
      for (let at = 0; at < times; at++)
        time.at(beginsAt[gateway]! + at * everyMs, () => request(gateways[gateway]!, cost));
      beginsAt[gateway]! += times * everyMs;
      if (dies) time.at(beginsAt[gateway]!, () => replace(gateway));
    }
    await time.pass(Math.max(...beginsAt) - START + 1_000);
    await Promise.all(pending);
  } finally {
    await scene.dispose();
  }
  return { admissions: admissions.toSorted((a, b) => a.atMs - b.atMs), atOnce };
}

function assertFixed({ requests, periodMs }: LimitDemand, admissions: readonly Admission[]): void {
  const counts = new Map<number, number>();
  for (const { atMs, cost } of admissions) {
    const window = Math.floor(Math.floor(atMs) / periodMs);
    const count = (counts.get(window) ?? 0) + cost;
    counts.set(window, count);
    assert.ok(count <= requests, `${count} of ${requests} in one window`);
  }
}

/** Windows are the store's, which begin with the first request and follow each other while there are any. */
function assertSliding(rule: LimitDemand, admissions: readonly Admission[]): void {
  let start = -Infinity;
  let previous = 0;
  let current = 0;
  for (const { atMs, cost } of admissions) {
    const nowMs = Math.floor(atMs);
    if (nowMs - start >= 2 * rule.periodMs) [start, previous, current] = [nowMs, 0, 0];
    else if (nowMs - start >= rule.periodMs) [start, previous, current] = [start + rule.periodMs, current, 0];
    assert.ok(weigh({ ...rule, cost }, [start, previous, current], nowMs).fits, `${previous}, ${current} and ${cost}`);
    current += cost;
  }
}

/** In any time, no more than the burst and the refills that fall into it, of which one may be due just then. */
function assertBucket({ requests, periodMs, burst }: LimitDemand, admissions: readonly Admission[]): void {
  const stepMs = Math.min(periodMs / 10, 5_000);
  const perStep = (requests * stepMs) / periodMs;
  for (const [from, first] of admissions.entries()) {
    let sum = 0;
    for (const { atMs, cost } of admissions.slice(from)) {
      sum += cost;
      const refills = Math.floor((Math.floor(atMs) - Math.floor(first.atMs) + 1) / stepMs) + 1;
      assert.ok(sum <= burst + refills * perStep + 1e-6, `${sum} in ${refills} refills`);
    }
  }
}

describe(`histories with leases (FUZZ_SEED=${FUZZ_SEED})`, () => {
  it('what gateways admit together, takes one by one could have admitted', async () => {
    let admitted = 0;
    let atOnce = 0;
    await fc.assert(
      fc.asyncProperty(history, async (played) => {
        const result = await play(played);
        admitted += result.admissions.length;
        atOnce += result.atOnce;
        switch (played.rule.algorithm) {
          case 'fixed':
            return assertFixed(played.rule, result.admissions);
          case 'sliding':
            return assertSliding(played.rule, result.admissions);
          case 'bucket':
            return assertBucket(played.rule, result.admissions);
        }
      }),
      { seed: FUZZ_SEED, numRuns: 80 },
    );
    assert.ok(atOnce > admitted / 20, `leases were at work: ${atOnce} of ${admitted} were decided at once`);
  });
});
