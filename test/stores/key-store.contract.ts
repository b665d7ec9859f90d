// What every KeyStore keeps to.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { KeyRecord, StoredSecret } from '../../src/core/key-record.ts';
import type { KeyStore, Store } from '../../src/core/ports.ts';
import type { Backing } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';

const secret = (digest: string, endsAt: number | null = null): StoredSecret => ({
  digest,
  hint: null,
  createdAt: 1,
  endsAt,
});

async function listed(keys: KeyStore, filter?: { owner?: string }): Promise<KeyRecord[]> {
  const records: KeyRecord[] = [];
  for await (const record of keys.list(filter)) records.push(record);
  return records;
}

export function keyStoreContract(name: string, make: () => Promise<Backing>): void {
  describe(`key store on ${name}`, () => {
    let backing: Backing;
    let count = 0;
    /** An empty store: a prefix of its own on Redis, a file of its own on SQLite. */
    const fresh = async (): Promise<Store> => {
      count += 1;
      return backing.open({
        prefix: `keys-${count}`,
        url: name === 'sqlite' ? `${backing.url}-${count}` : backing.url,
      });
    };
    before(async () => {
      backing = await make();
    });
    after(() => backing.dispose());

    it('a saved record is found by each of its digests and by its id, unchanged', async () => {
      const { keys } = await fresh();
      const record = keyRecord({
        secrets: [secret('new'), secret('old', 2_000_000_000_000)],
        meta: { a: 'ü"\n\u2028' },
      });
      assert.equal(await keys.save(record, 0), 'saved');
      assert.deepEqual(await keys.get(record.id), record);
      assert.deepEqual(await keys.findByDigest(['nobody', 'new']), record);
      assert.deepEqual(await keys.findByDigest(['old']), record);
    });

    it('what is not there is absent', async () => {
      const { keys } = await fresh();
      assert.equal(await keys.get('nobody'), 'absent');
      assert.equal(await keys.findByDigest(['nobody', 'none']), 'absent');
    });

    it('a digest that a change removes leads nowhere, one that it adds leads to the key', async () => {
      const { keys } = await fresh();
      await keys.save(keyRecord({ secrets: [secret('first'), secret('kept')] }), 0);
      const next = keyRecord({ revision: 2, secrets: [secret('kept'), secret('second')] });
      assert.equal(await keys.save(next, 1), 'saved');
      assert.equal(await keys.findByDigest(['first']), 'absent');
      assert.deepEqual(await keys.findByDigest(['kept']), next);
      assert.deepEqual(await keys.findByDigest(['second']), next);
    });

    it('a write that does not name the current revision is a conflict and changes nothing', async () => {
      const { keys } = await fresh();
      const record = keyRecord();
      assert.equal(await keys.save(record, 1), 'conflict');
      assert.equal(await keys.get(record.id), 'absent');
      await keys.save(record, 0);
      for (const expected of [0, 2])
        assert.equal(await keys.save(keyRecord({ revision: 2, secrets: [secret('x')] }), expected), 'conflict');
      assert.deepEqual(await keys.get(record.id), record);
      assert.equal(await keys.findByDigest(['x']), 'absent');
      assert.deepEqual(await keys.countByState(0), { active: 1, expired: 0, disabled: 0, revoked: 0 });
    });

    it('of writes at the same time on the same revision, exactly one is saved', async () => {
      const url = name === 'sqlite' ? `${backing.url}-race` : backing.url;
      const stores = await Promise.all([1, 2, 3, 4].map(() => backing.open({ prefix: 'race', url })));
      const outcomes = await Promise.all(
        stores.map(({ keys }, index) => keys.save(keyRecord({ owner: `owner-${index}` }), 0)),
      );
      assert.deepEqual(outcomes.toSorted(), ['conflict', 'conflict', 'conflict', 'saved']);
    });

    it("another key's digest is a conflict and changes nothing", async () => {
      const { keys } = await fresh();
      const holder = keyRecord({ id: 'holder', secrets: [secret('mine')] });
      await keys.save(holder, 0);
      assert.equal(
        await keys.save(keyRecord({ id: 'thief', secrets: [secret('own'), secret('mine')] }), 0),
        'conflict',
      );
      assert.equal(await keys.get('thief'), 'absent');
      assert.equal(await keys.findByDigest(['own']), 'absent');
      assert.deepEqual(await keys.findByDigest(['mine']), holder);
    });

    it('all records are listed once, in id order, over many batches, also by owner', async () => {
      const { keys } = await fresh();
      const ids = Array.from({ length: 1_203 }, (_, index) => `key-${index}`);
      const save = (id: string, index: number) =>
        keys.save(keyRecord({ id, owner: index % 3 === 0 ? 'third' : null }), 0);
      // Some at a time: what waits for its turn has its time-out running.
      for (let at = 0; at < ids.length; at += 60)
        await Promise.all(ids.slice(at, at + 60).map((id, index) => save(id, at + index)));
      const all = await listed(keys);
      assert.deepEqual(
        all.map(({ id }) => id),
        ids.toSorted(),
      );
      const third = await listed(keys, { owner: 'third' });
      assert.equal(third.length, 401);
      assert.ok(third.every(({ owner }) => owner === 'third'));
      assert.deepEqual(await listed(keys, { owner: 'nobody' }), []);
    });

    it('keys are counted by the state they are in at a time', async () => {
      const { keys } = await fresh();
      const save = (id: string, more: Partial<KeyRecord>) => keys.save(keyRecord({ id, ...more }), 0);
      await save('a', {});
      await save('b', { expiresAt: 1_000 });
      await save('c', { expiresAt: 1_001 });
      await save('d', { status: 'disabled', expiresAt: 500 });
      await save('e', { status: 'revoked' });
      assert.deepEqual(await keys.countByState(1_000), { active: 2, expired: 1, disabled: 1, revoked: 1 });
      await keys.save(keyRecord({ id: 'a', revision: 2, status: 'revoked' }), 1);
      await keys.save(keyRecord({ id: 'd', revision: 2, expiresAt: 500 }), 1);
      await keys.save(keyRecord({ id: 'c', revision: 2, expiresAt: null }), 1);
      assert.deepEqual(await keys.countByState(1_000), { active: 1, expired: 2, disabled: 0, revoked: 2 });
    });

    it('a record larger than the bound is refused before anything is written', async () => {
      const { keys } = await fresh();
      await assert.rejects(keys.save(keyRecord({ meta: { long: 'x'.repeat(BOUNDS.recordBytes) } }), 0), {
        name: 'UserFault',
      });
      assert.equal(await keys.get('billing-job'), 'absent');
    });

    it('every operation is observed, once, with its name and time', async () => {
      const seen: string[] = [];
      const store = await backing.open({
        prefix: 'observed',
        url: name === 'sqlite' ? `${backing.url}-observed` : backing.url,
        observe: (operation, ms, isFault) => {
          assert.ok(ms >= 0);
          assert.equal(isFault, false);
          seen.push(operation);
        },
      });
      await store.keys.save(keyRecord(), 0);
      await store.keys.get('billing-job');
      await store.keys.findByDigest(['x']);
      await store.keys.countByState(0);
      await listed(store.keys);
      await store.limits.take([]);
      await store.limits.peek([]);
      await store.limits.release('seats', 'token');
      await store.limits.renew([{ id: 'seats', token: 'token' }]);
      await store.ping();
      assert.deepEqual(seen, ['save', 'get', 'find', 'count', 'list', 'take', 'peek', 'release', 'renew', 'ping']);
    });
  });
}
