import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { classifyKeyText, keyHint, mintKeyText, withoutKeyTexts } from '../../src/core/api-key.ts';
import { keyState, type KeyRecord, Pepper } from '../../src/core/key-record.ts';

test('a minted key matches the pattern that secret scanners use', () => {
  for (let round = 0; round < 200; round++) {
    const text = mintKeyText('ptc_live', randomBytes(32));
    assert.match(text, /^ptc_live_[0-9A-Za-z]{49}$/);
    assert.equal(classifyKeyText('ptc_live', text), 'minted');
  }
});

test('the checksum is CRC-32 of what stands before it, in six base62 characters', () => {
  const text = mintKeyText('ptc_live', Buffer.alloc(32, 7));
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const value = Array.from(text.slice(-6)).reduce((sum, character) => sum * 62 + digits.indexOf(character), 0);
  assert.equal(value, crc32(text.slice(0, -6)));
});

test('the least and the most random bytes both fill 43 characters', () => {
  assert.equal(mintKeyText('p', Buffer.alloc(32)).length, 2 + 49);
  assert.equal(mintKeyText('p', Buffer.alloc(32, 255)).length, 2 + 49);
});

test('a key with one wrong character anywhere is malformed', () => {
  const text = mintKeyText('ptc_live', randomBytes(32));
  for (let at = 'ptc_live_'.length; at < text.length; at++) {
    const other = text[at] === 'a' ? 'b' : 'a';
    assert.equal(classifyKeyText('ptc_live', text.slice(0, at) + other + text.slice(at + 1)), 'malformed');
  }
});

test('imported keys are opaque text of 16 to 512 bytes', () => {
  const kind = (text: string) => classifyKeyText('ptc_live', text);
  assert.equal(kind('x'.repeat(15)), 'malformed');
  assert.equal(kind('x'.repeat(16)), 'imported');
  assert.equal(kind('x'.repeat(512)), 'imported');
  assert.equal(kind('x'.repeat(513)), 'malformed');
  assert.equal(kind(`${'x'.repeat(20)}\0`), 'malformed');
  assert.equal(kind(''), 'malformed');
});

test('a hint shows the prefix and the last four characters only', () => {
  const text = mintKeyText('ptc_live', randomBytes(32));
  assert.equal(keyHint('ptc_live', text), `ptc_live_…${text.slice(-4)}`);
  assert.equal(keyHint('ptc_live', 'an-imported-key-9876'), '…9876');
});

const RECORD: Omit<KeyRecord, 'mac'> = {
  id: 'k1',
  revision: 1,
  owner: 'acme',
  name: null,
  declared: false,
  roles: [],
  scopes: ['orders:read'],
  allow: [],
  deny: [],
  plan: null,
  expiresAt: null,
  status: 'active',
  meta: { b: '2', a: '1' },
  createdAt: 1,
  updatedAt: 1,
  secrets: [{ digest: 'd', hint: null, createdAt: 1, endsAt: null }],
};

test('a record that was widened without the pepper is not genuine', () => {
  const pepper = new Pepper(Buffer.alloc(32, 1));
  const sealed = pepper.seal(RECORD);
  assert.ok(pepper.isGenuine(sealed));
  const changes: Partial<KeyRecord>[] = [
    { id: 'k2' },
    { revision: 2 },
    { owner: 'other' },
    { name: 'x' },
    { declared: true },
    { roles: ['admin'] },
    { scopes: ['*'] },
    { allow: ['0.0.0.0/0'] },
    { deny: ['0.0.0.0/0'] },
    { plan: 'big' },
    { expiresAt: 9e15 },
    { status: 'disabled' },
    { meta: { a: '1' } },
    { createdAt: 2 },
    { updatedAt: 2 },
    { secrets: [{ digest: 'e', hint: null, createdAt: 1, endsAt: null }] },
    { secrets: [{ digest: 'd', hint: null, createdAt: 1, endsAt: 5 }] },
    { mac: '' },
  ];
  for (const change of changes) assert.ok(!pepper.isGenuine({ ...sealed, ...change }), JSON.stringify(change));
  assert.ok(!new Pepper(Buffer.alloc(32, 2)).isGenuine(sealed));
  assert.ok(pepper.isGenuine({ ...sealed, meta: { a: '1', b: '2' } }));
});

test('knowing the SHA-256 of an imported key is not holding the key', () => {
  const pepper = new Pepper(Buffer.alloc(32, 1));
  const text = 'a-key-somebody-already-has';
  const sha256 = createHash('sha256').update(text).digest();
  assert.equal(pepper.digestsOf(text)[1], pepper.digestOfSha256(sha256));
  for (const presented of [sha256.toString('hex'), sha256.toString('latin1'), sha256.toString('base64')]) {
    assert.ok(!pepper.digestsOf(presented).includes(pepper.digestOfSha256(sha256)));
  }
});

test('a pepper takes at least 32 bytes', () => {
  assert.throws(() => new Pepper(Buffer.alloc(31)), RangeError);
});

test('a key is expired from its last moment on, but revoked and disabled come first', () => {
  assert.equal(keyState({ status: 'active' }, 100, 99), 'active');
  assert.equal(keyState({ status: 'active' }, 100, 100), 'expired');
  assert.equal(keyState({ status: 'revoked' }, 100, 200), 'revoked');
  assert.equal(keyState({ status: 'disabled' }, 100, 200), 'disabled');
  assert.equal(keyState({ status: 'active' }, null, 9e15), 'active');
});

test('what looks like a minted key is left out of a text, whatever its prefix, and nothing else is', () => {
  const key = mintKeyText('ptc_live', randomBytes(32));
  assert.equal(withoutKeyTexts(`/orders/${key}/lines`), '/orders/ptc_live_…/lines');
  assert.equal(withoutKeyTexts(`${key},${key.replace('ptc_live', 'x')}`), 'ptc_live_…,x_…');
  assert.equal(withoutKeyTexts(`/orders/${key}lines`), '/orders/ptc_live_…');
  for (const text of ['/orders/7', key.slice(0, -1), `/a_b/${'c'.repeat(49)}`, ''])
    assert.equal(withoutKeyTexts(text), text);
});
