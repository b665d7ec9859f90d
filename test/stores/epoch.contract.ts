// What every store keeps to so that another one, an emptied one or an older copy is never taken for it.
import assert from 'node:assert/strict';
import { after, beforeEach, describe, it } from 'node:test';
import type { Lineage, Store } from '../../src/core/ports.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { keyRecord } from '../support/key-records.ts';
import { type BreakableStore, changeKeys } from '../support/store-histories.ts';

const WITHIN_2_S = { withinMs: 2_000 };

export function epochContract(name: string, make: () => Promise<BreakableStore>): void {
  describe(`the history of a store on ${name}`, () => {
    let told: string[];
    let place: BreakableStore;
    beforeEach(async () => {
      told = [];
      place = await make();
      stores.push(place);
    });
    const stores: BreakableStore[] = [];
    after(async () => {
      await Promise.all(stores.map((store) => store.dispose()));
    });

    /** A gateway's store, with its change feed live. */
    const follow = async (lineage?: Lineage): Promise<Store> => {
      const store = await place.open({
        warn: (message) => told.push(message),
        ...(lineage && { lineage }),
      });
      await store.changes.start(() => {});
      return store;
    };
    const find = (store: Store, id = 'billing-job') => store.keys.findByDigest([`digest-of-${id}`]);
    const notices = () => told.filter((message) => message.startsWith('The store is not the one'));
    /** From now on: nothing is answered but that the store is not believed. */
    const assertNoticed = async (store: Store, clause: RegExp): Promise<void> => {
      const nowMs = Date.now();
      await eventually(() => assert.match(notices().join('\n'), clause), WITHIN_2_S);
      assert.match(notices().join('\n'), /keys get 503.*bring the known store back.*or restart the gateway/);
      await assert.rejects(find(store), { name: 'StoreFault' });
      await assert.rejects(store.ping(), {
        name: 'StoreFault',
        message: /not the one that this gateway knew|removed or replaced/,
      });
      assert.ok(store.changes.lastHeardMs() <= nowMs + 1_000);
      assert.equal(notices().length, 1, 'said once');
    };
    const assertBelieved = async (store: Store): Promise<void> => {
      await eventually(() => store.ping(), WITHIN_2_S);
      const nowMs = Date.now();
      await eventually(() => assert.ok(store.changes.lastHeardMs() >= nowMs), WITHIN_2_S);
      assert.notEqual(await find(store), 'absent');
    };
    /** Look-ups from the accident on, until it is noticed: each finds the key or fails. */
    const neverAbsent = (store: Store) => {
      let isEnded = false;
      const asked = (async () => {
        let faults = 0;
        for (let isLast = false; !isLast;) {
          isLast = isEnded;
          const answer = await find(store).catch(() => 'fault' as const);
          assert.notEqual(answer, 'absent');
          faults += answer === 'fault' ? 1 : 0;
          await new Promise(setImmediate);
        }
        return faults;
      })();
      return {
        stop: () => {
          isEnded = true;
          return asked;
        },
      };
    };

    it('its first use names it for good; a change of a key advances it, and nothing else does', async () => {
      const store = await follow();
      await store.keys.save(keyRecord(), 0);
      await store.limits.take([{ id: 'a', algorithm: 'fixed', requests: 9, periodMs: 1_000, burst: 9, cost: 1 }]);
      await store.attempts({ failures: 2, perMs: 1_000, blockMs: 1_000 }).count('203.0.113.9');
      await eventually(() => assert.equal(store.lineage()?.generation, 1), WITHIN_2_S);
      await store.keys.save(keyRecord({ revision: 2, status: 'disabled' }), 1);
      await store.keys.save(keyRecord(), 0);
      await eventually(() => assert.equal(store.lineage()?.generation, 2), WITHIN_2_S);
      const other = await follow();
      assert.match(other.lineage()?.epoch ?? '', /^[0-9a-f]{32}$/);
      assert.deepEqual(other.lineage(), store.lineage());
      assert.deepEqual(await other.taken, other.lineage());
      assert.deepEqual(told, []);
    });

    it('emptied: never taken for an empty one, and believed again when what it held is back', async () => {
      const store = await follow();
      await store.keys.save(keyRecord(), 0);
      await eventually(() => assert.equal(store.lineage()?.generation, 1), WITHIN_2_S);
      const putBack = await place.snapshot();
      const asking = neverAbsent(store);
      try {
        await place.flush();
        await assertNoticed(store, /it is empty|another epoch|removed or replaced/);
      } finally {
        assert.ok((await asking.stop()) > 0);
      }
      if (!/replaced/.test(notices()[0] ?? '')) {
        await putBack();
        await assertBelieved(store);
        assert.equal(told.at(-1), 'The known store is back and is used again');
      }
    });

    it('restored from an older copy: noticed, though the copy has the key that is asked for', async () => {
      const store = await follow();
      await store.keys.save(keyRecord(), 0);
      const putBack = await place.snapshot();
      await store.keys.save(keyRecord({ revision: 2, status: 'revoked' }), 1);
      await eventually(() => assert.equal(store.lineage()?.generation, 2), WITHIN_2_S);
      await putBack();
      for (const ask of [() => store.keys.get('billing-job'), () => find(store)]) {
        const answer = await ask().catch(() => 'fault' as const);
        assert.ok(answer === 'fault' || (answer !== 'absent' && answer.status === 'revoked'));
      }
      await assertNoticed(store, /it lacks changes that were seen|removed or replaced/);
    });

    it('restored from an older copy and gone on past what was seen: noticed', async () => {
      const store = await follow();
      await store.keys.save(keyRecord(), 0);
      const putBack = await place.snapshot();
      await store.keys.save(keyRecord({ revision: 2, status: 'revoked' }), 1);
      await eventually(() => assert.equal(store.lineage()?.generation, 2), WITHIN_2_S);
      const lineage = store.lineage();
      await store.close();
      await putBack();
      await changeKeys(place.url, 'later', 3);
      const replaced = await follow(lineage);
      await assertNoticed(replaced, /it lacks changes that were seen/);
    });

    it('what one process knew is known to the one that takes its place; a gateway that starts takes it as it is', async () => {
      const store = await follow();
      await store.keys.save(keyRecord(), 0);
      await eventually(() => assert.equal(store.lineage()?.generation, 1), WITHIN_2_S);
      const lineage = store.lineage();
      await store.close();
      const same = await follow(lineage);
      await assertBelieved(same);
      await same.close();
      await place.flush();
      const replaced = await follow(lineage);
      await assertNoticed(replaced, /it is empty|another epoch/);
      told = [];
      const fresh = await follow();
      assert.equal(await find(fresh), 'absent');
      assert.equal((await fresh.taken).generation, 0);
      assert.deepEqual(told, []);
    });
  });
}
