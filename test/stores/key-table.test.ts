import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeldKey } from '../../src/core/policy.ts';
import { BOUNDS } from '../../src/core/bounds.ts';
import { digestText, newDigest, readDigest } from '../../src/stores/digest-index.ts';
import { KeyTable, type KeyTableBounds } from '../../src/stores/key-table.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';

const ROOMY: KeyTableBounds = { entries: 1_000, bytes: 1024 * 1024, decoded: 16, decodedBytes: 64 * 1024 };
const FOREVER = Number.POSITIVE_INFINITY;

function keyOf(id: string, differs: Partial<HeldKey> = {}): HeldKey {
  return {
    id,
    declared: false,
    status: 'active',
    owner: 'acme',
    name: null,
    roles: ['reader'],
    scopes: ['orders:read'],
    allow: [],
    deny: [],
    plan: 'free',
    expiresAt: null,
    secretCreatedAt: 1_700_000_000_000,
    secretEndsAt: null,
    compiled: null,
    ...differs,
  };
}

function digestOf(text: string): Int32Array {
  const digest = newDigest();
  readDigest(digestText(text), digest);
  return digest;
}

function tableOf(bounds: Partial<KeyTableBounds> = {}) {
  const evicted = { count: 0 };
  return { table: new KeyTable({ ...ROOMY, ...bounds }, () => evicted.count++), evicted };
}

/** What a text finds, also as a use of it. */
function read(table: KeyTable, text: string): HeldKey | undefined {
  const slot = table.find(digestOf(text));
  return slot === -1 ? undefined : table.read(slot);
}

test('a key comes back with everything that a decision takes of it, and its times', () => {
  const { table } = tableOf();
  const key = keyOf('billing-job', {
    declared: true,
    status: 'disabled',
    owner: 'Größe "&" Söhne \u2028',
    name: null,
    roles: [],
    scopes: ['a', 'b:*'],
    allow: ['10.0.0.0/8', '2001:db8::/32'],
    deny: ['10.1.0.0/16'],
    plan: null,
    expiresAt: 9_000_000_000_000,
  });
  table.keep(digestOf('t'), key, 1_700_000_000_123, FOREVER);
  assert.deepEqual(read(table, 't'), key);
  const slot = table.find(digestOf('t'));
  assert.equal(table.foundAtMs(slot), 1_700_000_000_123);
  assert.equal(table.endsAtMs(slot), FOREVER);
});

test('a key in steady use stays the same object, so that it is compiled once', () => {
  const { table } = tableOf();
  table.keep(digestOf('busy'), keyOf('busy'), 1, FOREVER);
  for (let use = 0; use < 10; use++) read(table, 'busy');
  const busy = read(table, 'busy');
  for (let at = 0; at < 500; at++) {
    table.keep(digestOf(`once ${at}`), keyOf(`once-${at}`), 1, FOREVER);
    read(table, `once ${at}`);
    assert.equal(read(table, 'busy'), busy);
  }
});

test('there are never more keys than the bound, and those in use stay', () => {
  const { table, evicted } = tableOf({ entries: 100 });
  for (let at = 0; at < 1_000; at++) {
    table.keep(digestOf(`text ${at}`), keyOf(`k${at}`), 1, FOREVER);
    assert.ok(read(table, 'text 0'), `after ${at}`);
    assert.equal(table.size, Math.min(at + 1, 100));
  }
  assert.equal(evicted.count, 900);
});

test('a hundred thousand ordinary keys fit into the bounds in force', () => {
  const { cachedKeys, cachedKeyBytes, decodedKeys, decodedKeyBytes } = BOUNDS;
  const bounds = { entries: cachedKeys, bytes: cachedKeyBytes, decoded: decodedKeys, decodedBytes: decodedKeyBytes };
  const { table, evicted } = tableOf(bounds);
  for (let at = 0; at < 100_000; at++) {
    table.keep(digestOf(`text ${at}`), keyOf(`key-number-${at}`, { allow: ['203.0.113.0/24'] }), 1, FOREVER);
  }
  assert.equal(table.size, 100_000);
  assert.equal(evicted.count, 0);
  assert.ok(table.bytes <= 20 * 1024 * 1024, `${table.bytes} bytes`);
});

test('texts never take more than the bound on bytes, and the last one is always there', () => {
  const { table } = tableOf({ bytes: 8_192 });
  for (let at = 0; at < 2_000; at++) {
    const scopes = Array.from({ length: at % 50 }, (_, scope) => `scope:number-${scope}`);
    table.keep(digestOf(`text ${at}`), keyOf(`k${at}`, { scopes }), 1, FOREVER);
    assert.ok(table.bytes <= 8_192);
    assert.deepEqual(read(table, `text ${at}`)?.scopes, scopes);
  }
});

test('a key that is larger than the bound by itself is not kept, and nothing makes room for it', () => {
  const { table, evicted } = tableOf({ bytes: 1_024 });
  table.keep(digestOf('small'), keyOf('small'), 1, FOREVER);
  table.keep(digestOf('large'), keyOf('large', { scopes: ['x'.repeat(2_000)] }), 1, FOREVER);
  assert.equal(read(table, 'large'), undefined);
  assert.ok(read(table, 'small'));
  assert.equal(evicted.count, 0);
});

test('both secrets of a rotated key are forgotten by its id, others are not', () => {
  const { table } = tableOf();
  table.keep(digestOf('old'), keyOf('rotated'), 1, 5_000);
  table.keep(digestOf('new'), keyOf('rotated'), 1, FOREVER);
  table.keep(digestOf('other'), keyOf('other'), 1, FOREVER);
  for (let use = 0; use < 5; use++) for (const text of ['old', 'new', 'other']) read(table, text);
  table.forget('rotated');
  assert.equal(read(table, 'old'), undefined);
  assert.equal(read(table, 'new'), undefined);
  assert.deepEqual(read(table, 'other'), keyOf('other'));
  assert.equal(table.size, 1);
});

test('a forgotten key leaves nothing to whoever gets its place', () => {
  const { table } = tableOf({ entries: 1 });
  table.keep(digestOf('a'), keyOf('a', { scopes: ['*'] }), 1, FOREVER);
  for (let use = 0; use < 5; use++) read(table, 'a');
  table.forget('a');
  table.keep(digestOf('b'), keyOf('b'), 2, FOREVER);
  assert.deepEqual(read(table, 'b'), keyOf('b'));
  table.keep(digestOf('b'), keyOf('b', { scopes: [] }), 3, FOREVER);
  assert.deepEqual(read(table, 'b'), keyOf('b', { scopes: [] }));
  assert.equal(table.size, 1);
});

test('a table that is cleared is as a new one', () => {
  const { table } = tableOf({ entries: 50 });
  for (let round = 0; round < 3; round++) {
    for (let at = 0; at < 80; at++) table.keep(digestOf(`${round} ${at}`), keyOf(`k${at}`), 1, FOREVER);
    for (let at = 0; at < 80; at++) read(table, `${round} ${at}`);
    table.clear();
    assert.deepEqual([table.size, table.bytes], [0, 0]);
    for (let at = 0; at < 80; at++) assert.equal(read(table, `${round} ${at}`), undefined);
    table.forget('k79');
  }
});

test('it answers as a plain map does, through any order of keeping, reading, forgetting and clearing', () => {
  const { seed, below } = seededNumbers();
  const bounds = { entries: 200, bytes: 24 * 1024, decoded: 8, decodedBytes: 1_024 };
  const { table } = tableOf(bounds);
  const model = new Map<string, { key: HeldKey; foundAtMs: number }>();
  for (let step = 0; step < 60_000; step++) {
    const text = `text ${below(300)}`;
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const scopes = Array.from({ length: below(12) }, (_, at) => `s${step}:${at}`);
        const key = keyOf(`k${below(120)}`, { scopes });
        table.keep(digestOf(text), key, step, FOREVER);
        model.set(text, { key, foundAtMs: step });
        break;
      }
      case 3: {
        const id = `k${below(120)}`;
        table.forget(id);
        for (const [held, { key }] of model) if (key.id === id) model.delete(held);
        break;
      }
      case 4:
        table.discard(digestOf(text));
        model.delete(text);
        break;
      default: {
        const slot = table.find(digestOf(text));
        // What was evicted is gone from the model too once that is seen; what is there has to be the latest.
        if (slot === -1) model.delete(text);
        else {
          assert.deepEqual(table.read(slot), model.get(text)?.key, `${seed}, step ${step}`);
          assert.equal(table.foundAtMs(slot), model.get(text)?.foundAtMs, `${seed}, step ${step}`);
        }
      }
    }
    if (below(5_000) === 0) {
      table.clear();
      model.clear();
    }
    assert.ok(table.size <= bounds.entries && table.bytes <= bounds.bytes, `${seed}, step ${step}`);
    assert.ok(table.size <= model.size, `${seed}, step ${step}`);
  }
});
