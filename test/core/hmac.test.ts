import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { HmacSha256, sha256Text } from '../../src/core/hmac.ts';

/** Bytes that differ from place to place. */
function bytesOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 89 + length) & 0xff));
}

test('the HMAC is that of RFC 2104, whatever the lengths of key and message', () => {
  for (const keyLength of [0, 1, 32, 63, 64, 65, 200]) {
    const key = bytesOf(keyLength);
    const hmac = new HmacSha256(key);
    for (const length of [0, 1, 16, 55, 56, 64, 127, 511, 512, 640, 641, 5_000]) {
      const message = bytesOf(length);
      const right = createHmac('sha256', key).update(message).digest('base64url');
      assert.equal(hmac.of(message.toString('latin1')), right, `key ${keyLength}, message ${length}`);
    }
  }
});

test('RFC 4231, test case 2', () => {
  const digest = new HmacSha256(Buffer.from('Jefe')).of('what do ya want for nothing?');
  assert.equal(
    Buffer.from(digest, 'base64url').toString('hex'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});

test('the SHA-256 of a text is that of its bytes, whatever their number', () => {
  for (const length of [0, 1, 64, 640, 641, 5_000]) {
    const bytes = bytesOf(length);
    const right = createHash('sha256').update(bytes).digest('latin1');
    assert.equal(sha256Text(bytes.toString('latin1')), right, String(length));
  }
});
