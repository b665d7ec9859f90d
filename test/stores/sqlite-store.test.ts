// What only the SQLite store has to keep to: its files, other processes' locks, and its own pruning.
import assert from 'node:assert/strict';
import { rename, stat, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { StoreFault } from '../../src/core/fault.ts';
import type { Change, Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import type { StoreSettings } from '../../src/stores/settings.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

describe('the SQLite store', () => {
  let dir: TempDir;
  let stores: Store[] = [];
  before(async () => {
    dir = await makeTempDir();
  });
  after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await dir.remove();
  });
  const open = async (name: string, overrides: Partial<StoreSettings> = {}): Promise<Store> => {
    const store = await openStore(storeSettings(`sqlite:${dir.file(name)}`, overrides));
    stores = [...stores, store];
    return store;
  };

  it('its files are made with their directory, for their owner only', async () => {
    const store = await open('new/dir/keys.db');
    await store.keys.save(keyRecord(), 0);
    await store.limits.take([{ id: 'a', algorithm: 'fixed', requests: 1, periodMs: 1_000, burst: 1, cost: 1 }]);
    for (const name of ['keys.db', 'keys.db-wal', 'keys.db-shm', 'keys.db-limits', 'keys.db-limits-wal'])
      assert.equal((await stat(dir.file(`new/dir/${name}`))).mode & 0o777, 0o600, name);
  });

  it('what was saved is there when it is opened again, and the feed begins at its end', async () => {
    const first = await open('again.db');
    await first.keys.save(keyRecord(), 0);
    await first.close();
    const second = await open('again.db');
    const seen: Change[] = [];
    await second.changes.start((change) => seen.push(change));
    assert.deepEqual(await second.keys.get('billing-job'), keyRecord());
    await second.keys.save(keyRecord({ id: 'next' }), 0);
    await eventually(() => assert.deepEqual(seen, [{ kind: 'key', id: 'next' }]), { withinMs: 1_000 });
  });

  it('a write lock that was waited for in vain is only tried for a while: waiting would hold up everybody', async () => {
    const timeoutMs = 1_000;
    const store = await open('impatient.db', { timeoutMs });
    const demand = { id: 'a', algorithm: 'fixed', requests: 100, periodMs: 60_000, burst: 100, cost: 1 } as const;
    const refusedInMs = async (): Promise<number> => {
      const startedAt = performance.now();
      await assert.rejects(store.limits.take([demand]), StoreFault);
      return performance.now() - startedAt;
    };
    const intruder = new DatabaseSync(dir.file('impatient.db-limits'));
    intruder.exec('BEGIN IMMEDIATE');
    assert.ok((await refusedInMs()) >= timeoutMs);
    assert.ok((await refusedInMs()) + (await refusedInMs()) < timeoutMs);
    const startedAt = performance.now();
    const attempts = store.attempts({ failures: 2, perMs: 60_000, blockMs: 60_000 });
    await attempts.forgive('192.0.2.1');
    await attempts.vouch('192.0.2.1', 60_000);
    await attempts.block('192.0.2.1', 60_000);
    await assert.rejects(store.limits.release('a', 'seat'), StoreFault);
    assert.ok(performance.now() - startedAt < timeoutMs);
    intruder.exec('ROLLBACK');
    assert.equal((await store.limits.take([demand])).isAdmitted, true);
    intruder.exec('BEGIN IMMEDIATE');
    const vouchedAt = performance.now();
    await attempts.vouch('192.0.2.2', 60_000);
    assert.ok(performance.now() - vouchedAt >= timeoutMs, 'patient again');
    assert.ok((await refusedInMs()) < timeoutMs, 'whoever has waited has waited for all');
    intruder.close();
  });

  it('a file that is something else, or made by another version, is refused with a reason', async () => {
    await writeFile(
      dir.file('text.db'),
      'this is no database, but long enough to be looked at as one, surely'.repeat(20),
    );
    await assert.rejects(open('text.db'), { name: 'UserFault', message: /text\.db cannot be opened/ });
    await (await open('later.db')).close();
    const db = new DatabaseSync(dir.file('later.db'));
    db.exec('UPDATE schema_version SET version = 2');
    db.close();
    await assert.rejects(open('later.db'), { name: 'UserFault', message: /version 2/ });
    await assert.rejects(open('text.db/below.db'), { name: 'UserFault' });
    await (await open('less.db')).close();
    const less = new DatabaseSync(dir.file('less.db'));
    less.exec('DROP TABLE changes');
    less.close();
    await assert.rejects(open('less.db'), {
      name: 'UserFault',
      message: /no such table: changes.*put the last backup/,
    });
  });

  it('a writer that holds the lock makes operations reject within the timeout, and reads go on', async () => {
    const store = await open('locked.db', { timeoutMs: 60 });
    await store.keys.save(keyRecord(), 0);
    const other = new DatabaseSync(dir.file('locked.db'));
    other.exec('BEGIN IMMEDIATE');
    const began = performance.now();
    await assert.rejects(store.keys.save(keyRecord({ id: 'other' }), 0), StoreFault);
    assert.ok(performance.now() - began < 500);
    assert.deepEqual(await store.keys.get('billing-job'), keyRecord());
    other.exec('ROLLBACK');
    other.close();
    assert.equal(await store.keys.save(keyRecord({ id: 'other' }), 0), 'saved');
  });

  it('a file that was replaced or removed is noticed, never written to in silence', async () => {
    const told: string[] = [];
    const store = await open('moved.db', { warn: (message) => told.push(message) });
    const seen: Change[] = [];
    await store.changes.start((change) => seen.push(change));
    await rename(dir.file('moved.db'), dir.file('elsewhere.db'));
    await assert.rejects(store.keys.get('a'), { name: 'StoreFault', message: /removed or replaced/ });
    await eventually(() =>
      assert.match(told.join('\n'), /^The store is not the one [^\n]*moved\.db was removed or replaced/),
    );
    const heardMs = store.changes.lastHeardMs();
    await writeFile(dir.file('moved.db'), '');
    await assert.rejects(store.ping(), StoreFault);
    await rename(dir.file('elsewhere.db'), dir.file('moved.db'));
    await eventually(() => store.ping(), { withinMs: 2_000 });
    await eventually(() => assert.deepEqual(seen, [{ kind: 'reset' }]));
    assert.ok(store.changes.lastHeardMs() > heardMs);
  });

  it('changes that were pruned before they were read are a reset; the log is bounded', async () => {
    const store = await open('pruned.db');
    const seen: Change[] = [];
    await store.changes.start((change) => seen.push(change));
    const db = new DatabaseSync(dir.file('pruned.db'));
    db.exec('BEGIN IMMEDIATE');
    const add = db.prepare('INSERT INTO changes (key_id) VALUES (?)');
    for (let change = 0; change < 10_050; change += 1) add.run('x');
    db.exec('DELETE FROM changes WHERE seq < 10_000');
    db.exec('COMMIT');
    await eventually(() => assert.equal(seen.length, 51));
    assert.deepEqual(seen[0], { kind: 'reset' });
    await store.keys.save(keyRecord(), 0);
    await eventually(() => assert.deepEqual(seen.at(-1), { kind: 'key', id: 'billing-job' }));
    assert.equal(db.prepare('SELECT min(seq) AS seq FROM changes').get()?.['seq'], 10_000);
    db.close();
  });

  it('counts and seats that have outlived their time are pruned', async () => {
    let nowMs = Date.now();
    const store = await open('old.db', { clock: () => nowMs });
    const demand = (id: string) => ({
      id,
      algorithm: 'fixed' as const,
      requests: 9,
      periodMs: 1_000,
      burst: 9,
      cost: 1,
    });
    for (let subject = 0; subject < 150; subject += 1)
      await store.limits.take([demand(`old-${subject}`)], { id: `old-${subject}`, limit: 1, token: 't' });
    nowMs += 60_000;
    for (let take = 0; take < 60; take += 1) await store.limits.take([demand('new')]);
    const db = new DatabaseSync(dir.file('old.db-limits'));
    assert.equal(db.prepare('SELECT count(*) AS rows FROM limits').get()?.['rows'], 1);
    assert.equal(db.prepare('SELECT count(*) AS rows FROM seats').get()?.['rows'], 0);
    db.close();
  });

  it('a seat that is not renewed is free after its lease, a renewed one is held', async () => {
    let nowMs = Date.now();
    const { limits } = await open('seats.db', { clock: () => nowMs });
    const take = async (token: string) => (await limits.take([], { id: 's', limit: 1, token })).isAdmitted;
    assert.equal(await take('a'), true);
    nowMs += 29_000;
    await limits.renew([{ id: 's', token: 'a' }]);
    nowMs += 29_000;
    assert.equal(await take('b'), false);
    nowMs += 1_000;
    assert.equal(await take('b'), true);
  });

  it('a record that cannot be read counts as absent and is told', async () => {
    const told: string[] = [];
    const store = await open('spoiled.db', { warn: (message) => told.push(message) });
    await store.keys.save(keyRecord(), 0);
    const db = new DatabaseSync(dir.file('spoiled.db'));
    db.exec(`UPDATE keys SET record = '{"id":"billing-job"}'`);
    db.close();
    assert.equal(await store.keys.get('billing-job'), 'absent');
    assert.equal(await store.keys.findByDigest(['digest-of-billing-job']), 'absent');
    for await (const { id } of store.keys.list()) assert.fail(id);
    assert.equal(told.length, 3);
    assert.equal(await store.keys.save(keyRecord(), 0), 'saved');
    assert.deepEqual(await store.keys.countByState(0), { active: 1, expired: 0, disabled: 0, revoked: 0 });
  });
});
