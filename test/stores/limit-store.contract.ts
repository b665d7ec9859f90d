// What every LimitStore keeps to.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LeaseDemand, LimitAlgorithm, LimitDemand, LimitStore, SeatDemand } from '../../src/core/ports.ts';
import type { Backing } from '../support/backings.ts';

const ALGORITHMS: readonly LimitAlgorithm[] = ['fixed', 'sliding', 'bucket'];
/** Long enough that no window ends while a test runs. */
const PERIOD_MS = 300 * 86_400_000;

const demand = (overrides: Partial<LimitDemand> = {}): LimitDemand => ({
  id: 'plan/free/burst:key:billing-job',
  algorithm: 'sliding',
  requests: 3,
  periodMs: PERIOD_MS,
  burst: overrides.requests ?? 3,
  cost: 1,
  ...overrides,
});

const seat = (token: string, overrides: Partial<SeatDemand> = {}): SeatDemand => ({
  id: 'plan/free:key:billing-job',
  limit: 2,
  token,
  ...overrides,
});

export function limitStoreContract(name: string, make: () => Promise<Backing>): void {
  describe(`limit store on ${name}`, () => {
    let backing: Backing;
    let limits: LimitStore;
    let count = 0;
    const unique = (text: string) => `${text}-${(count += 1)}`;
    before(async () => {
      backing = await make();
      ({ limits } = await backing.open());
    });
    after(() => backing.dispose());

    for (const algorithm of ALGORITHMS) {
      it(`${algorithm}: exactly the limit passes, and the answer says what is left and when more is`, async () => {
        const wanted = demand({ id: unique('exact'), algorithm });
        for (const remaining of [2, 1, 0]) {
          const taken = await limits.take([wanted]);
          assert.equal(taken.isAdmitted, true);
          assert.equal(taken.limits[0]?.remaining, remaining);
          assert.equal(taken.limits[0]?.isViolated, false);
          assert.ok(taken.limits[0].resetMs > 0 && taken.limits[0].resetMs <= PERIOD_MS);
        }
        const denied = await limits.take([wanted]);
        assert.equal(denied.isAdmitted, false);
        assert.equal(denied.limits[0]?.isViolated, true);
        assert.equal(denied.limits[0]?.remaining, 0);
        assert.ok(denied.limits[0].resetMs > 0 && denied.limits[0].resetMs <= 2 * PERIOD_MS);
      });

      it(`${algorithm}: parallel takes from several gateways admit exactly the limit`, async () => {
        const wanted = demand({ id: unique('parallel'), algorithm, requests: 40 });
        const stores = await Promise.all([1, 2, 3, 4].map(() => backing.open()));
        const takes = await Promise.all(
          stores.flatMap((store) => Array.from({ length: 50 }, () => store.limits.take([wanted]))),
        );
        assert.equal(takes.filter(({ isAdmitted }) => isAdmitted).length, 40);
      });

      it(`${algorithm}: a request of cost 3 takes 3, and one that does not fit takes none`, async () => {
        const id = unique('cost');
        const five = demand({ id, algorithm, requests: 5 });
        assert.equal((await limits.take([{ ...five, cost: 3 }])).limits[0]?.remaining, 2);
        const denied = await limits.take([{ ...five, cost: 3 }]);
        assert.deepEqual([denied.isAdmitted, denied.limits[0]?.remaining], [false, 2]);
        assert.equal((await limits.take([{ ...five, cost: 2 }])).isAdmitted, true);
      });

      it(`${algorithm}: a cost above the limit never fits, and says so with a bounded time`, async () => {
        const { isAdmitted, limits: states } = await limits.take([
          demand({ id: unique('never'), algorithm, requests: 2, cost: 3 }),
        ]);
        assert.equal(isAdmitted, false);
        assert.deepEqual([states[0]?.isViolated, states[0]?.remaining], [true, 2]);
        assert.ok((states[0]?.resetMs ?? 0) > 0 && (states[0]?.resetMs ?? Infinity) <= 2 * PERIOD_MS);
      });

      it(`${algorithm}: a lowered limit counts what was already taken`, async () => {
        const id = unique('lowered');
        for (let taken = 0; taken < 3; taken += 1) await limits.take([demand({ id, algorithm, requests: 5 })]);
        const lowered = await limits.take([demand({ id, algorithm, requests: 2 })]);
        assert.equal(lowered.isAdmitted, algorithm === 'bucket');
      });
    }

    for (const algorithm of ALGORITHMS) {
      const ahead = (id: string, overrides: Partial<LeaseDemand> = {}): LeaseDemand => ({
        ...demand({ id, algorithm, requests: 10_000 }),
        ahead: 50,
        pacePerS: 1_000,
        ...overrides,
      });

      it(`${algorithm}: what is granted ahead is taken, of what is left a small share at most`, async () => {
        const id = unique('ahead');
        const [first] = (await limits.lease([ahead(id)])).limits;
        assert.ok(first);
        assert.deepEqual([first.remaining, first.granted], [9_949, 50]);
        assert.ok(first.lapseMs > 0 && first.lapseMs <= PERIOD_MS);
        const [second] = (await limits.lease([ahead(id, { ahead: 5_000, pacePerS: 1_000_000 })])).limits;
        assert.deepEqual([second?.remaining, second?.granted], [9_948 - 310, 310]);
        assert.equal((await limits.take([demand({ id, algorithm, requests: 10_000 })])).limits[0]?.remaining, 9_637);
      });

      it(`${algorithm}: no more is granted than demand spends before it lapses`, async () => {
        const [state] = (await limits.lease([ahead(unique('pace'), { pacePerS: 1 })])).limits;
        assert.equal(state?.granted, 10);
      });

      it(`${algorithm}: a limit that is nearly used up grants nothing, nor does one for a request that is denied`, async () => {
        const small = ahead(unique('small'), { requests: 128, burst: 128 });
        assert.equal((await limits.lease([small])).limits[0]?.granted, 0);
        const [roomy, full] = [ahead(unique('roomy')), ahead(unique('full'), { cost: 10_001 })];
        const denied = await limits.lease([roomy, full]);
        assert.deepEqual([denied.isAdmitted, denied.limits.map(({ granted }) => granted)], [false, [0, 0]]);
        assert.equal((await limits.take([roomy])).limits[0]?.remaining, 9_999);
      });

      it(`${algorithm}: what is given back is there again, and never more`, async () => {
        const id = unique('back');
        const wanted = demand({ id, algorithm, requests: 10_000 });
        const [state] = (await limits.lease([ahead(id)])).limits;
        assert.ok(state);
        const { lapsesAt, granted } = state;
        await limits.giveBack([{ ...wanted, cost: granted, lapsesAt: lapsesAt - 1 }]);
        assert.equal((await limits.take([wanted])).limits[0]?.remaining, 9_948, 'of a window that is none');
        await limits.giveBack([{ ...wanted, cost: granted, lapsesAt }]);
        assert.equal((await limits.take([wanted])).limits[0]?.remaining, 9_997);
        await limits.giveBack([{ ...wanted, cost: 1_000_000, lapsesAt }]);
        assert.equal((await limits.take([wanted])).limits[0]?.remaining, 9_999);
      });

      it(`${algorithm}: more may be asked for without a request, which begins nothing and refuses nothing`, async () => {
        const id = unique('refill');
        const refill = ahead(id, { cost: 0 });
        await limits.lease([{ ...refill, cost: 1, ahead: 0 }]);
        const used = demand({ id: unique('used'), algorithm });
        for (let taken = 0; taken < 3; taken += 1) await limits.take([used]);
        const answer = await limits.lease([refill, { ...used, cost: 0, ahead: 10, pacePerS: 10 }]);
        assert.equal(answer.isAdmitted, true);
        // In the very millisecond in which a window or a bucket begins, nothing is granted without a request.
        assert.ok(answer.limits[0]?.granted === 50 || answer.limits[0]?.granted === 0);
        assert.equal(answer.limits[1]?.granted, 0);
      });
    }

    it('a seat that is refused grants nothing ahead', async () => {
      const id = unique('seats');
      const wanted = { ...demand({ id: unique('beside'), requests: 1_000 }), ahead: 20, pacePerS: 100 };
      await limits.lease([], seat('one', { id, limit: 1 }));
      const refused = await limits.lease([wanted], seat('two', { id, limit: 1 }));
      assert.deepEqual([refused.isAdmitted, refused.isSeatRefused, refused.limits[0]?.granted], [false, true, 0]);
      assert.equal((await limits.take([wanted])).limits[0]?.remaining, 999);
    });

    it('what is given back of a subject that nobody knows does no harm', async () => {
      for (const algorithm of ALGORITHMS) {
        const wanted = demand({ id: unique('unknown'), algorithm });
        await limits.giveBack([{ ...wanted, cost: 2, lapsesAt: Date.now() + PERIOD_MS }]);
        assert.equal((await limits.take([wanted])).limits[0]?.remaining, 2);
      }
    });

    it('a bucket lets its burst pass at once, more than a period gives', async () => {
      const wanted = demand({ id: unique('burst'), algorithm: 'bucket', requests: 1, burst: 4 });
      const taken = [];
      for (let request = 0; request < 6; request += 1) taken.push((await limits.take([wanted])).isAdmitted);
      assert.deepEqual(taken, [true, true, true, true, false, false]);
    });

    it('all limits are taken or none: a denied request costs nothing of any', async () => {
      const roomy = demand({ id: unique('roomy'), requests: 10 });
      const tight = demand({ id: unique('tight'), requests: 1, algorithm: 'fixed' });
      const bucket = demand({ id: unique('bucket'), requests: 10, algorithm: 'bucket' });
      assert.equal((await limits.take([roomy, tight, bucket])).isAdmitted, true);
      for (let request = 0; request < 5; request += 1) {
        const denied = await limits.take([roomy, tight, bucket], seat('t', { id: 'untouched', limit: 1 }));
        assert.equal(denied.isAdmitted, false);
        assert.equal(denied.isSeatRefused, false);
        assert.deepEqual(
          denied.limits.map(({ isViolated, remaining }) => [isViolated, remaining]),
          [
            [false, 9],
            [true, 0],
            [false, 9],
          ],
        );
      }
      assert.equal((await limits.take([], seat('other', { id: 'untouched', limit: 1 }))).isAdmitted, true);
    });

    it('a refused seat costs nothing of any limit', async () => {
      const wanted = demand({ id: unique('beside-seat') });
      const id = unique('seats');
      await limits.take([], seat('one', { id, limit: 1 }));
      const refused = await limits.take([wanted], seat('two', { id, limit: 1 }));
      assert.deepEqual([refused.isAdmitted, refused.isSeatRefused], [false, true]);
      assert.deepEqual([refused.limits[0]?.isViolated, refused.limits[0]?.remaining], [false, 3]);
      assert.equal((await limits.take([wanted])).limits[0]?.remaining, 2);
    });

    it('peek answers as take would and takes nothing', async () => {
      const wanted = demand({ id: unique('peek'), algorithm: 'fixed' });
      const place = seat('one', { id: unique('peek-seat'), limit: 1 });
      for (let look = 0; look < 5; look += 1) {
        const seen = await limits.peek([wanted], place);
        assert.deepEqual([seen.isAdmitted, seen.limits[0]?.remaining], [true, 2]);
      }
      await limits.take([{ ...wanted, cost: 3 }], place);
      const seen = await limits.peek([wanted], { ...place, token: 'two' });
      assert.deepEqual([seen.isAdmitted, seen.isSeatRefused, seen.limits[0]?.isViolated], [false, true, true]);
    });

    it('a seat that is given back can be taken again; unknown tokens are no error', async () => {
      const id = unique('seats');
      assert.equal((await limits.take([], seat('a', { id }))).isAdmitted, true);
      assert.equal((await limits.take([], seat('b', { id }))).isAdmitted, true);
      assert.equal((await limits.take([], seat('b', { id }))).isAdmitted, true, 'a token holds one seat');
      assert.equal((await limits.take([], seat('c', { id }))).isSeatRefused, true);
      await limits.release(id, 'unknown');
      await limits.release(id, 'a');
      assert.equal((await limits.take([], seat('c', { id }))).isAdmitted, true);
      assert.equal((await limits.take([], seat('d', { id }))).isSeatRefused, true);
    });

    it('limits of another period, algorithm or id are counted apart', async () => {
      const id = unique('apart');
      const variants = [
        demand({ id }),
        demand({ id, periodMs: PERIOD_MS / 2 }),
        demand({ id, algorithm: 'fixed' }),
        demand({ id, algorithm: 'bucket' }),
        demand({ id: `${id}:x` }),
      ];
      for (const variant of variants) assert.equal((await limits.take([variant])).limits[0]?.remaining, 2);
    });

    it('the same limit named twice in one take is counted twice', async () => {
      const wanted = demand({ id: unique('twice') });
      assert.equal((await limits.take([wanted, wanted])).isAdmitted, true);
      assert.equal((await limits.take([wanted, wanted])).isAdmitted, false);
      assert.equal((await limits.take([wanted])).isAdmitted, true);
    });

    it('odd ids are counted apart and do no harm', async () => {
      for (const id of ["a*b'c(d)!~%7B%7D", 'a/b:c', '-', '%20', 'x'.repeat(500)])
        assert.equal((await limits.take([demand({ id })], seat('t', { id }))).limits[0]?.remaining, 2);
    });
  });
}
