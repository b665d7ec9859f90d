// What a gateway does with leases, step by step in virtual time.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import { StoreFault } from '../../src/core/fault.ts';
import type { LimitAlgorithm, LimitDemand, Taken } from '../../src/core/ports.ts';
import { leasingStore, type LeasingGateway } from '../support/leasing.ts';

const ALGORITHMS: readonly LimitAlgorithm[] = ['fixed', 'sliding', 'bucket'];
const MINUTE = 60_000;
/** A minute, and a step of every bucket, begins here. */
const START = 1_753_000_020_000;

describe('leased limits', () => {
  let scene: Awaited<ReturnType<typeof leasingStore>>;
  let gateway: LeasingGateway;
  let ids = 0;
  before(async () => {
    scene = await leasingStore(START);
  });
  after(() => scene.dispose());
  beforeEach(async () => {
    // To the beginning of a minute, with whatever the last test left behind.
    await scene.time.pass(2 * MINUTE - (scene.time.nowMs % MINUTE));
    gateway = scene.gateway();
  });

  const demands = (overrides: Partial<LimitDemand> = {}): readonly LimitDemand[] => {
    const requests = overrides.requests ?? 10_000;
    const id = `subject-${(ids += 1)}`;
    return [{ id, algorithm: 'fixed', requests, periodMs: MINUTE, burst: requests, cost: 1, ...overrides }];
  };

  /** Takes, letting no time pass but what the store takes. */
  async function take(wanted: readonly LimitDemand[], { limits } = gateway): Promise<Taken> {
    const taken = limits.take(wanted);
    await scene.time.pass(0);
    return taken;
  }

  /** Takes again and again at a pace; the answers in order. */
  async function takeSteadily(wanted: readonly LimitDemand[], times: number, everyMs: number, from = gateway) {
    const answers: Taken[] = [];
    for (let at = 0; at < times; at++) {
      answers.push(await take(wanted, from));
      await scene.time.pass(everyMs);
    }
    return answers;
  }

  const remainingInStore = async (wanted: readonly LimitDemand[]): Promise<number> =>
    (await scene.store.peek(wanted.map((demand) => ({ ...demand, cost: 0 })))).limits[0]!.remaining;

  for (const algorithm of ALGORITHMS) {
    it(`${algorithm}: what is left falls by one with each request of a single gateway`, async () => {
      const wanted = demands({ algorithm });
      const answers = await takeSteadily(wanted, 300, 2);
      assert.deepEqual(
        answers.map(({ limits }) => limits[0]!.remaining),
        Array.from({ length: 300 }, (_, at) => 9_999 - at),
      );
      assert.ok(gateway.connection.operations.length < 300 / 10, `${gateway.connection.operations.length}`);
    });

    it(`${algorithm}: a limit that is small or nearly used up goes one by one, and exactly it passes`, async () => {
      for (const requests of [10, 100, 127]) {
        const wanted = demands({ algorithm, requests });
        const answers = await takeSteadily(wanted, requests + 5, 0);
        assert.equal(answers.filter(({ isAdmitted }) => isAdmitted).length, requests);
        assert.ok(gateway.connection.operations.length >= requests);
        gateway = scene.gateway();
      }
    });

    it(`${algorithm}: a steady key asks once in 20 requests at most, whatever its pace`, async () => {
      // What a bucket grants lapses with its next refill, 5 s later at most.
      for (const everyMs of algorithm === 'bucket' ? [1, 5, 20, 100] : [1, 5, 20, 100, 333]) {
        const wanted = demands({ algorithm, requests: 1_000_000 });
        await takeSteadily(wanted, 40, everyMs);
        const before = gateway.connection.operations.length;
        await takeSteadily(wanted, 1_000, everyMs);
        const asked = gateway.connection.operations.length - before;
        assert.ok(asked <= 1_000 / 20, `${asked} operations for 1,000 requests, one every ${everyMs} ms`);
      }
    });
  }

  it('what is held is decided on at once, without a promise, also while more is asked for', async () => {
    const wanted = demands();
    await takeSteadily(wanted, 200, 1);
    gateway.connection.delayMs = () => 3;
    for (let at = 0; at < 2_000; at++) {
      assert.ok(!(gateway.limits.take(wanted) instanceof Promise), `request ${at}`);
      await scene.time.pass(1);
    }
  });

  it('subjects that nobody asks for are forgotten, and nothing runs on', async () => {
    await takeSteadily(demands(), 100, 1);
    assert.equal(gateway.table.size, 1);
    await scene.time.pass(BOUNDS.leaseForgottenMs + 2 * BOUNDS.leaseSweepMs);
    assert.equal(gateway.table.size, 0);
  });

  it('beside other gateways, callers are not told of more than is left, but for a hundredth of the limit', async () => {
    for (const [mineEveryMs, theirsEveryMs] of [
      [10, 10],
      [5, 50],
      [50, 5],
      [20, 1],
    ] as const) {
      const other = scene.gateway();
      const wanted = demands();
      let admitted = 0;
      for (let ms = 0; ms < 5_000; ms++) {
        if (ms % mineEveryMs === 0) {
          const { remaining } = (await gateway.limits.take(wanted)).limits[0]!;
          admitted++;
          assert.ok(remaining <= 10_000 - admitted + 100, `${remaining} said, ${10_000 - admitted} left`);
        }
        if (ms % theirsEveryMs === 0) {
          await other.limits.take(wanted);
          admitted++;
        }
        await scene.time.pass(1);
      }
    }
  });

  for (const algorithm of ALGORITHMS) {
    it(`${algorithm}: an idle subject's unspent admissions are given back`, async () => {
      const wanted = demands({ algorithm, periodMs: 60 * MINUTE });
      await takeSteadily(wanted, 100, 1);
      const held = 9_900 - (await remainingInStore(wanted));
      assert.ok(held > 0);
      await scene.time.pass(BOUNDS.leaseIdleMs + BOUNDS.leaseSweepMs);
      assert.equal(await remainingInStore(wanted), 9_900);
    });

    it(`${algorithm}: a gateway that stops gives back all that it holds`, async () => {
      const all = [demands({ algorithm }), demands({ algorithm }), demands({ algorithm })];
      for (const wanted of all) await takeSteadily(wanted, 50, 1);
      const closed = gateway.limits.close();
      await scene.time.pass(0);
      await closed;
      for (const wanted of all) assert.equal(await remainingInStore(wanted), 9_950);
    });

    it(`${algorithm}: also what it asked for a moment before it stops`, async () => {
      const wanted = demands({ algorithm });
      await takeSteadily(wanted, 100, 1);
      gateway.connection.delayMs = () => 5;
      const { operations } = gateway.connection;
      let taken = 100;
      for (const asked = operations.length; operations.length === asked; taken++) void gateway.limits.take(wanted);
      const closed = gateway.limits.close();
      await scene.time.pass(50);
      await closed;
      assert.equal(await remainingInStore(wanted), 10_000 - taken);
    });

    it(`${algorithm}: a crash strands a small share of what was left, and no longer than the window`, async () => {
      for (const everyMs of [0.1, 1, 20]) {
        const wanted = demands({ algorithm });
        const times = 1_000;
        const tick = scene.gateway();
        for (let at = 0; at < times; at++) {
          await tick.limits.take(wanted);
          await scene.time.pass(everyMs);
          if (scene.time.nowMs % MINUTE < everyMs) assert.fail('the window ended within the test');
        }
        const stranded = 10_000 - times - (await remainingInStore(wanted));
        assert.ok(stranded <= Math.max(80, 10_000 / 32), `${stranded} at one every ${everyMs} ms`);
        await scene.time.pass(2 * MINUTE - (scene.time.nowMs % MINUTE));
        assert.equal(await remainingInStore(wanted), 10_000);
      }
    });
  }

  it('fixed: nothing is spent past the end of its window', async () => {
    const wanted = demands();
    await scene.time.pass(MINUTE - 500);
    await takeSteadily(wanted, 90, 5);
    await scene.time.pass(50);
    const asked = gateway.connection.operations.length;
    const answer = await take(wanted);
    assert.equal(gateway.connection.operations.length, asked + 1);
    assert.equal(answer.limits[0]?.remaining, 9_999);
  });

  it('fixed: what is left of one window is not spent in the next, where more was asked for in between', async () => {
    const wanted = demands({ requests: 2_000 });
    await scene.time.pass(MINUTE - 400);
    let at = 0;
    const { operations } = gateway.connection;
    gateway.connection.delayMs = () => (scene.time.nowMs % MINUTE > MINUTE - 150 ? 200 : 0);
    const held = () => operations.filter(({ kind }) => kind === 'lease').length;
    // Until it asks ahead, and the answer will be of the next window.
    for (let asked = held(); scene.time.nowMs % MINUTE < MINUTE - 150 || held() === asked; at++) {
      if (scene.time.nowMs % MINUTE < MINUTE - 150) asked = held();
      void gateway.limits.take(wanted);
      await scene.time.pass(0.5);
    }
    assert.ok(scene.time.nowMs % MINUTE > MINUTE / 2, 'still in the window before');
    gateway.connection.delayMs = () => 0;
    await scene.time.pass(1_000);
    let passed = 0;
    while ((await take(wanted)).isAdmitted) passed++;
    assert.ok(passed <= 2_000 && passed > 2_000 - 100, `${passed} of 2,000`);
  });

  it('sliding: what was not spent is given back to the window before, which the current one weighs', async () => {
    const wanted = demands({ algorithm: 'sliding' });
    await take(wanted);
    await scene.time.pass(MINUTE - 250);
    // Heavier at the end than the window has time for.
    await takeSteadily(wanted, 120, 1);
    await scene.time.pass(130 + BOUNDS.leaseSweepMs);
    const used = 10_000 - (await remainingInStore(wanted));
    assert.ok(used <= 121, `${used} of 121 weigh on`);
  });

  it('a rule that a reload has changed is not served from what was granted under the old one', async () => {
    const old = demands();
    await takeSteadily(old, 100, 1);
    const lowered = [{ ...old[0]!, requests: 50, burst: 50 }];
    const answer = await take(lowered);
    assert.deepEqual([answer.isAdmitted, answer.limits[0]?.isViolated], [false, true]);
    await scene.time.pass(BOUNDS.leaseIdleMs + BOUNDS.leaseSweepMs);
    assert.equal(await remainingInStore(old), 9_900);
  });

  it('while the store is away, what is held is spent; then it is a fault, and the background does not hammer', async () => {
    const wanted = demands();
    await takeSteadily(wanted, 100, 1);
    gateway.connection.isBroken = true;
    const asked = gateway.connection.operations.length;
    let passed = 0;
    for (; ; passed++) {
      const taken = gateway.limits.take(wanted);
      if (taken instanceof Promise) {
        await assert.rejects(taken, StoreFault);
        break;
      }
      await scene.time.pass(1);
    }
    assert.ok(passed > 0);
    assert.ok(gateway.connection.operations.length - asked <= 2);
    gateway.connection.isBroken = false;
    assert.equal((await take(wanted)).isAdmitted, true);
  });

  it('a refusal is repeated without asking for a moment, and never beyond the time at which the request fits', async () => {
    const wanted = demands({ algorithm: 'bucket', requests: 10, periodMs: 1_000, burst: 10 });
    await takeSteadily(wanted, 10, 0);
    assert.equal((await take(wanted)).isAdmitted, false);
    const asked = gateway.connection.operations.length;
    const refusedAt = scene.time.nowMs;
    for (let at = 0; at < 50; at++) {
      const refused = await take(wanted);
      const { remaining, isViolated, resetMs } = refused.limits[0]!;
      assert.deepEqual([refused.isAdmitted, isViolated, remaining], [false, true, 0]);
      assert.ok(resetMs > 0 && scene.time.nowMs + resetMs >= refusedAt + 99);
      await scene.time.pass(1);
    }
    assert.equal(gateway.connection.operations.length, asked);
    await scene.time.pass(refusedAt + 100 - scene.time.nowMs);
    assert.equal((await take(wanted)).isAdmitted, true);
  });

  it('a refusal is not remembered for longer than its bound', async () => {
    const wanted = demands({ requests: 3 });
    await takeSteadily(wanted, 4, 0);
    const asked = gateway.connection.operations.length;
    await takeSteadily(wanted, 100, 10);
    const more = gateway.connection.operations.length - asked;
    assert.ok(more >= 1_000 / BOUNDS.leaseRefusalMs - 1 && more <= 1_000 / BOUNDS.leaseRefusalMs + 1, `${more}`);
  });

  it('all or none: a limit that refuses leaves what is held of the others unspent', async () => {
    const roomy = demands()[0]!;
    const tight = demands({ requests: 60 })[0]!;
    const both = [roomy, tight];
    const answers = await takeSteadily(both, 100, 1);
    assert.equal(answers.filter(({ isAdmitted }) => isAdmitted).length, 60);
    for (const { isAdmitted, limits } of answers.slice(60)) {
      assert.equal(isAdmitted, false);
      assert.deepEqual(
        limits.map(({ isViolated, remaining }) => [isViolated, remaining]),
        [
          [false, 9_940],
          [true, 0],
        ],
      );
    }
    await scene.time.pass(BOUNDS.leaseIdleMs + 2 * BOUNDS.leaseSweepMs);
    assert.equal(await remainingInStore([roomy]), 9_940);
  });

  it('several limits are asked for together, and ahead together', async () => {
    const both = [demands()[0]!, demands({ algorithm: 'sliding' })[0]!];
    await takeSteadily(both, 40, 5);
    const asked = gateway.connection.operations.length;
    await takeSteadily(both, 1_000, 5);
    assert.ok(gateway.connection.operations.length - asked <= 1_000 / 20);
  });

  it('a request of cost 3 spends 3, and as few are asked for', async () => {
    const wanted = demands({ cost: 3, requests: 100_000 });
    const answers = await takeSteadily(wanted, 400, 5);
    assert.deepEqual(
      answers.map(({ limits }) => limits[0]!.remaining),
      Array.from({ length: 400 }, (_, at) => 100_000 - 3 * (at + 1)),
    );
    assert.ok(gateway.connection.operations.length <= 400 / 20, `${gateway.connection.operations.length}`);
  });

  it('a seat is asked for one by one, with only those limits that are not held', async () => {
    const wanted = demands();
    await takeSteadily(wanted, 100, 1);
    const seat = { id: 'seats', limit: 1, token: 'a' };
    const first = gateway.limits.take(wanted, seat);
    await scene.time.pass(0);
    assert.deepEqual(
      gateway.connection.operations.at(-1)?.demands.filter(({ cost }) => cost > 0),
      [],
    );
    assert.equal((await first).limits[0]?.remaining, 9_899);
    const second = gateway.limits.take(wanted, { ...seat, token: 'b' });
    await scene.time.pass(0);
    const refused = await second;
    assert.deepEqual([refused.isAdmitted, refused.isSeatRefused, refused.limits[0]?.remaining], [false, true, 9_899]);
    assert.equal((await take(wanted)).limits[0]?.remaining, 9_898);
  });
});
