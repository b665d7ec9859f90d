import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { mintKeyText } from '../../src/core/api-key.ts';
import { StoreFault } from '../../src/core/fault.ts';
import { type KeyRecord, Pepper } from '../../src/core/key-record.ts';
import type { Found, KeyStore } from '../../src/core/ports.ts';
import { KEY_FLAWS } from '../../src/core/reasons.ts';
import { CachedKeys } from '../../src/stores/cached-keys.ts';
import { keyRecord } from '../support/key-records.ts';

const CURRENT = new Pepper(randomBytes(32));
const PREVIOUS = new Pepper(randomBytes(32));

function recordOf(
  text: string,
  pepper = CURRENT,
  more: Partial<KeyRecord> = {},
  endsAt: number | null = null,
): KeyRecord {
  return pepper.seal(
    keyRecord({
      id: 'k1',
      scopes: [],
      secrets: [{ digest: pepper.digest(text), hint: null, createdAt: 1, endsAt }],
      ...more,
    }),
  );
}

function fixture(find: (digests: readonly string[]) => Promise<Found>) {
  const world = {
    nowMs: 1_000_000,
    setForwardMs: 0,
    heardMs: 1_000_000,
    awakeSinceMs: -Infinity,
    asked: 0,
    events: [] as string[],
    tampered: 0,
    old: 0,
  };
  const store = {
    findByDigest: (digests: readonly string[]) => {
      world.asked++;
      return find(digests);
    },
  } as unknown as KeyStore;
  const cache = new CachedKeys({
    store,
    peppers: { current: CURRENT, previous: [PREVIOUS] },
    maxStalenessMs: 10_000,
    lastHeardMs: () => world.heardMs,
    awakeSinceMs: () => world.awakeSinceMs,
    now: () => world.nowMs + world.setForwardMs,
    age: () => world.nowMs,
    expiryOf: (key) => key.expiresAt,
    onEvent: (event) => world.events.push(event),
    onTampered: () => world.tampered++,
    onOldPepper: () => world.old++,
  });
  return { cache, world };
}

const TEXT = mintKeyText('ptc_live', randomBytes(32));

test('setting the clock back an hour draws out nothing that is believed', async () => {
  const { cache, world } = fixture(() => Promise.resolve(recordOf(TEXT)));
  await cache.lookUp(TEXT);
  world.setForwardMs = -3_600_000;
  world.nowMs += 10_001;
  assert.equal(cache.recall(TEXT), undefined, 'the store was not heard from for longer than maxStaleness');
});

test('a key is looked up once, then known without asking', async () => {
  const record = recordOf(TEXT);
  const { cache, world } = fixture(() => Promise.resolve(record));
  assert.equal(cache.recall(TEXT), undefined);
  const all = await Promise.all([cache.lookUp(TEXT), cache.lookUp(TEXT), cache.lookUp(TEXT)]);
  const presented = { secretCreatedAt: record.secrets[0]!.createdAt, secretEndsAt: null };
  assert.deepEqual(new Set(all), new Set([{ ...record, ...presented }]));
  assert.equal(world.asked, 1);
  const { id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt } = record;
  const known = { id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt };
  assert.deepEqual(cache.recall(TEXT), { ...known, ...presented, compiled: null });
  assert.deepEqual(world.events, ['miss', 'hit']);
});

test('a cached key is not believed for longer than maxStaleness without hearing from the store', async () => {
  const { cache, world } = fixture(() => Promise.resolve(recordOf(TEXT)));
  await cache.lookUp(TEXT);
  world.nowMs += 10_000;
  assert.notEqual(cache.recall(TEXT), undefined);
  world.nowMs += 1;
  assert.equal(cache.recall(TEXT), undefined);
  world.heardMs = world.nowMs;
  assert.notEqual(cache.recall(TEXT), undefined);
});

test('a changed key is forgotten, others are not; a reset forgets all', async () => {
  const other = mintKeyText('ptc_live', randomBytes(32));
  const { cache } = fixture((digests) =>
    Promise.resolve(digests.includes(CURRENT.digest(TEXT)) ? recordOf(TEXT) : recordOf(other, CURRENT, { id: 'k2' })),
  );
  await cache.lookUp(TEXT);
  await cache.lookUp(other);
  cache.forget({ kind: 'key', id: 'k1' });
  assert.equal(cache.recall(TEXT), undefined);
  assert.notEqual(cache.recall(other), undefined);
  cache.forget({ kind: 'reset' });
  assert.equal(cache.recall(other), undefined);
});

test('a look-up that a change overtook is not kept', async () => {
  const answer = Promise.withResolvers<Found>();
  const { cache } = fixture(() => answer.promise);
  const asked = cache.lookUp(TEXT);
  cache.forget({ kind: 'key', id: 'k1' });
  answer.resolve(recordOf(TEXT));
  await asked;
  assert.equal(cache.recall(TEXT), undefined);
});

test('a key that is distrusted is looked up again, and no look-up from before it is kept', async () => {
  const answers = [Promise.withResolvers<Found>(), Promise.withResolvers<Found>()];
  const { cache, world } = fixture(() => answers[world.asked - 1]!.promise);
  answers[0]!.resolve(recordOf(TEXT));
  await cache.lookUp(TEXT);
  cache.distrust('another');
  assert.notEqual(cache.recall(TEXT), undefined);
  cache.distrust('k1');
  assert.equal(cache.recall(TEXT), undefined);
  const asked = cache.lookUp(TEXT);
  cache.distrust('k1');
  answers[1]!.resolve(recordOf(TEXT));
  await asked;
  assert.equal(cache.recall(TEXT), undefined);
});

test('who asks behind a change is not answered by a look-up from before it', async () => {
  const answers: ((found: Found) => void)[] = [];
  const { cache, world } = fixture(() => new Promise((resolve) => answers.push(resolve)));
  const before = cache.lookUp(TEXT);
  cache.forget({ kind: 'key', id: 'k1' });
  const behind = cache.lookUp(TEXT);
  assert.equal(cache.lookUp(TEXT), behind, 'those behind the change ask once');
  assert.equal(world.asked, 2);
  answers[0]!('absent');
  assert.equal(await before, 'absent');
  assert.equal(cache.lookUp(TEXT), behind, 'the one that has ended takes nothing with it');
  answers[1]!(recordOf(TEXT));
  const found = await behind;
  assert.ok(found !== 'absent' && found.id === 'k1');
  const held = cache.recall(TEXT);
  assert.ok(typeof held === 'object' && held.id === 'k1');
});

test('a text that is refused is remembered for a short time with its reason, until any change', async () => {
  const { cache, world } = fixture(() => Promise.resolve('absent'));
  for (const flaw of ['unknown', 'revoked', 'expired'] as const) {
    assert.equal(cache.recall(TEXT), undefined);
    const asOf = cache.changes;
    assert.equal(await cache.lookUp(TEXT), 'absent');
    cache.refuse(TEXT, flaw, asOf);
    assert.equal(cache.recall(TEXT), KEY_FLAWS.indexOf(flaw));
    assert.equal(world.events.at(-1), 'negative_hit');
    cache.forget({ kind: 'key', id: 'k9' });
    assert.equal(cache.recall(TEXT), undefined);
    cache.refuse(TEXT, flaw, cache.changes);
    world.nowMs += 5_001;
  }
  cache.refuse(TEXT, 'unknown', cache.changes);
  cache.forgetRefusals();
  assert.equal(cache.recall(TEXT), undefined);
});

test('what is refused for what a change overtook is not remembered', () => {
  const { cache } = fixture(() => Promise.resolve('absent'));
  const asOf = cache.changes;
  cache.forget({ kind: 'key', id: 'k9' });
  cache.refuse(TEXT, 'unknown', asOf);
  assert.equal(cache.recall(TEXT), undefined);
});

test('a key that is not in force is never kept as a known one, so that its refusal takes the time of any other', async () => {
  for (const more of [{ status: 'revoked' }, { status: 'disabled' }, { expiresAt: 999_999 }] as const) {
    const { cache, world } = fixture(() => Promise.resolve(recordOf(TEXT, CURRENT, more)));
    assert.notEqual(await cache.lookUp(TEXT), 'absent');
    assert.equal(cache.recall(TEXT), undefined);
    assert.deepEqual(world.events, ['miss']);
  }
});

test('one that was in force and is refused is forgotten', async () => {
  const { cache } = fixture(() => Promise.resolve(recordOf(TEXT)));
  await cache.lookUp(TEXT);
  cache.refuse(TEXT, 'expired', cache.changes);
  assert.equal(cache.recall(TEXT), KEY_FLAWS.indexOf('expired'));
});

test('a store that cannot be asked is never taken for an answer', async () => {
  const { cache } = fixture(() => Promise.reject(new StoreFault('find', 'away')));
  await assert.rejects(cache.lookUp(TEXT), StoreFault);
  assert.equal(cache.recall(TEXT), undefined);
});

test('a record whose MAC is wrong counts as unknown, and is reported', async () => {
  const { cache, world } = fixture(() => Promise.resolve({ ...recordOf(TEXT), scopes: ['*'] }));
  assert.equal(await cache.lookUp(TEXT), 'absent');
  assert.equal(world.tampered, 1);
});

test('a secret under a previous pepper still works, and is handed on to be rehashed', async () => {
  const { cache, world } = fixture((digests) =>
    Promise.resolve(digests.includes(PREVIOUS.digest(TEXT)) ? recordOf(TEXT, PREVIOUS) : 'absent'),
  );
  assert.notEqual(await cache.lookUp(TEXT), 'absent');
  assert.equal(world.old, 1);
});

test('a process that stood still believes no cached key until it has heard from the store, or asked it', async () => {
  const { cache, world } = fixture(() => Promise.resolve(recordOf(TEXT)));
  await cache.lookUp(TEXT);
  world.nowMs += 3_000;
  world.awakeSinceMs = world.nowMs;
  assert.equal(cache.recall(TEXT), undefined);
  await cache.lookUp(TEXT);
  assert.notEqual(cache.recall(TEXT), undefined);
  world.nowMs += 3_000;
  world.awakeSinceMs = world.nowMs;
  world.heardMs = world.nowMs - 1;
  assert.equal(cache.recall(TEXT), undefined);
  world.heardMs = world.nowMs;
  assert.notEqual(cache.recall(TEXT), undefined);
});

test('a retiring secret works until its grace ends, cached or not', async () => {
  const { cache, world } = fixture(() => Promise.resolve(recordOf(TEXT, CURRENT, {}, 1_005_000)));
  assert.notEqual(await cache.lookUp(TEXT), 'absent');
  world.nowMs = 1_004_999;
  assert.notEqual(cache.recall(TEXT), undefined);
  world.nowMs = 1_005_000;
  assert.equal(cache.recall(TEXT), undefined);
  assert.equal(await cache.lookUp(TEXT), 'absent');
});

test('a key that the store no longer has does not come back when the store is heard from again', async () => {
  let isThere = true;
  const { cache, world } = fixture(() => Promise.resolve(isThere ? recordOf(TEXT) : 'absent'));
  await cache.lookUp(TEXT);
  world.nowMs += 10_001;
  assert.equal(cache.recall(TEXT), undefined);
  isThere = false;
  assert.equal(await cache.lookUp(TEXT), 'absent');
  world.nowMs += 5_001;
  world.heardMs = world.nowMs;
  assert.equal(cache.recall(TEXT), undefined);
});

test('a change of a rotated key is seen by who holds the new secret and by who holds the retiring one', async () => {
  const retiring = mintKeyText('ptc_live', randomBytes(32));
  const secrets = [
    { digest: CURRENT.digest(TEXT), hint: null, createdAt: 1, endsAt: null },
    { digest: CURRENT.digest(retiring), hint: null, createdAt: 1, endsAt: 2_000_000 },
  ];
  const { cache } = fixture(() => Promise.resolve(recordOf(TEXT, CURRENT, { secrets })));
  await cache.lookUp(TEXT);
  await cache.lookUp(retiring);
  assert.notEqual(cache.recall(TEXT), undefined);
  assert.notEqual(cache.recall(retiring), undefined);
  cache.forget({ kind: 'key', id: 'k1' });
  assert.equal(cache.recall(TEXT), undefined);
  assert.equal(cache.recall(retiring), undefined);
});
