import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readReturnedHead, returnedTrailers } from '../../src/forward/returned-head.ts';

const OURS = ['X-Request-Id', 'request-1'];

describe("an answer's fields pass unchanged but for hop-by-hop ones", () => {
  test('in order, duplicates too, then ours', () => {
    const sent = ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'date', 'Thu', 'X_Odd', ''];
    assert.deepEqual(readReturnedHead(200, sent, OURS)?.fields, [...sent, ...OURS]);
  });

  test('hop-by-hop fields and what Connection names do not', () => {
    const hops = [
      'Connection',
      'close, X-Hop',
      'Keep-Alive',
      't',
      'Proxy-Authenticate',
      'b',
      'TE',
      'x',
      'Trailer',
      'X',
      'Upgrade',
      'h2c',
    ];
    assert.deepEqual(readReturnedHead(200, ['x-hop', '1', ...hops, 'X-Kept', '1'], OURS)?.fields, [
      'X-Kept',
      '1',
      ...OURS,
    ]);
  });

  test('ours take the place of those of the same name, and of no others', () => {
    const sent = ['x-request-id', 'theirs', 'RateLimit', 'theirs', 'RateLimit-Policy', 'theirs'];
    assert.deepEqual(readReturnedHead(200, sent, OURS)?.fields, [...sent.slice(2), ...OURS]);
    const limits = [...OURS, 'RateLimit-Policy', 'p', 'RateLimit', 'r'];
    assert.deepEqual(readReturnedHead(200, sent, limits)?.fields, limits);
  });
});

describe("an answer's framing", () => {
  const cases: readonly (readonly [status: number, fields: string[], length: number | null, isChunked: boolean])[] = [
    [200, ['Content-Length', '12'], 12, false],
    [200, ['Transfer-Encoding', 'Chunked'], null, true],
    [200, [], null, false],
    [304, ['Content-Length', '12'], 12, false],
  ];
  for (const [status, fields, length, isChunked] of cases) {
    test(`${status} ${fields.join(': ') || 'without framing'}`, () => {
      const head = readReturnedHead(status, fields, []);
      assert.equal(head?.contentLength, length);
      assert.equal(head?.isChunked, isChunked);
    });
  }

  const bad: readonly string[][] = [
    ['Content-Length', '1', 'Content-Length', '1'],
    ['Content-Length', '+1'],
    ['Content-Length', '9999999999999999'],
    ['Transfer-Encoding', 'gzip, chunked'],
    ['Transfer-Encoding', 'identity'],
    ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
    ['Transfer-Encoding', 'chunked', 'Content-Length', '1'],
  ];
  for (const fields of bad) {
    test(`refused: ${fields.join(' ')}`, () => assert.equal(readReturnedHead(200, fields, []), undefined));
  }

  test('a 204 says nothing of a length', () => {
    assert.deepEqual(readReturnedHead(204, ['Content-Length', '0'], [])?.fields, []);
  });
});

test('trailers pass, but for those that frame, route or speak for the gateway', () => {
  const raw = [
    'X-Checksum',
    'abc',
    'Content-Length',
    '1',
    'Transfer-Encoding',
    'x',
    'Set-Cookie',
    'a',
    'x-request-id',
    'theirs',
    'Connection',
    'x',
  ];
  assert.deepEqual(returnedTrailers(raw, OURS), [['X-Checksum', 'abc']]);
});
