// What every AttemptCounter keeps to.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AttemptCounter } from '../../src/core/ports.ts';
import type { Backing } from '../support/backings.ts';

const RULE = { failures: 2, perMs: 60_000, blockMs: 300_000 };

export function attemptCounterContract(name: string, make: () => Promise<Backing>): void {
  describe(`attempt counter on ${name}`, () => {
    let backing: Backing;
    let counter: AttemptCounter;
    before(async () => {
      backing = await make();
      counter = (await backing.open()).attempts(RULE);
    });
    after(() => backing.dispose());

    it('attempts are counted by source, beyond the number that passes too', async () => {
      const counts = [];
      for (let attempt = 0; attempt < 5; attempt += 1) counts.push((await counter.count('203.0.113.1')).attempts);
      assert.deepEqual(counts, [1, 2, 3, 4, 5]);
      assert.equal((await counter.count('203.0.113.2')).attempts, 1);
      assert.equal((await counter.count('20010db800000000/64')).attempts, 1);
    });

    it('attempts at the same time are each counted', async () => {
      const counts = await Promise.all(Array.from({ length: 50 }, () => counter.count('203.0.113.3')));
      assert.deepEqual(
        counts.map(({ attempts }) => attempts).toSorted((one, other) => one - other),
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
    });

    it('a good attempt is taken back; none are ever in credit', async () => {
      await counter.count('203.0.113.4');
      await counter.forgive('203.0.113.4');
      await counter.forgive('203.0.113.4');
      await counter.forgive('203.0.113.5');
      assert.equal((await counter.count('203.0.113.4')).attempts, 1);
      assert.equal((await counter.count('203.0.113.5')).attempts, 1);
    });

    it('a block holds for its time, and neither counting nor forgiving touches it', async () => {
      assert.equal((await counter.count('203.0.113.6')).blockedMs, 0);
      await counter.block('203.0.113.6', 300_000);
      await counter.forgive('203.0.113.6');
      for (let attempt = 1; attempt <= 3; attempt++) {
        const { attempts, blockedMs } = await counter.count('203.0.113.6');
        assert.equal(attempts, attempt);
        assert.ok(blockedMs > 290_000 && blockedMs <= 300_000, String(blockedMs));
      }
      assert.equal((await counter.count('203.0.113.7')).blockedMs, 0);
    });

    it('a source of a good key is vouched for, which neither counting nor a block touches', async () => {
      assert.equal(await counter.vouchedForMs('203.0.113.8'), 0);
      await counter.vouch('203.0.113.8', 300_000);
      await counter.count('203.0.113.8');
      await counter.block('203.0.113.8', 300_000);
      const goodMs = await counter.vouchedForMs('203.0.113.8');
      assert.ok(goodMs > 290_000 && goodMs <= 300_000, String(goodMs));
      assert.equal(await counter.vouchedForMs('203.0.113.9'), 0);
    });
  });
}
