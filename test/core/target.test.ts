import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTarget } from '../../src/core/target.ts';
import { FUZZ_SEED } from '../support/seeded-numbers.ts';

const AMBIGUOUS: readonly [raw: string, flaw: string][] = [
  ['/a/../b', 'dot_segment'],
  ['/a/./b', 'dot_segment'],
  ['/..', 'dot_segment'],
  ['/a/.', 'dot_segment'],
  ['/a/%2e%2e/b', 'dot_segment'],
  ['/a/%2E./b', 'dot_segment'],
  ['/a/.%2e', 'dot_segment'],
  ['//a', 'empty_segment'],
  ['/a//b', 'empty_segment'],
  ['/a//', 'empty_segment'],
  ['/a%2fb', 'encoded_separator'],
  ['/a%2Fb', 'encoded_separator'],
  ['/a%5cb', 'encoded_separator'],
  ['/a\\b', 'backslash'],
  ['/a%00', 'encoded_control'],
  ['/a%0d%0aX: y', 'character'],
  ['/a%0d%0a', 'encoded_control'],
  ['/a%7f', 'encoded_control'],
  ['/a%c2%85', 'encoded_control'],
  ['/a;b=c', 'parameter'],
  ['/a#b', 'fragment'],
  ['/a?b#c', 'fragment'],
  ['/a%', 'percent_encoding'],
  ['/a%g0', 'percent_encoding'],
  ['/a%u002f', 'percent_encoding'],
  ['/a?b=%', 'percent_encoding'],
  ['/a%ff', 'utf8'],
  ['/a%c0%af', 'utf8'],
  ['/a%ed%a0%80', 'utf8'],
  ['/a?b=%ff', 'utf8'],
  ['/a\u00e9', 'character'],
  ['/a b', 'character'],
  ['/a\tb', 'character'],
  ['http://other/a', 'authority'],
  ['http:///a', 'authority'],
  ['http://api.example:81/a', 'authority'],
  ['http://user@api.example/a', 'authority'],
  ['*', 'form'],
  ['a/b', 'form'],
  ['', 'form'],
  ['api.example:443', 'form'],
  ['ftp://api.example/a', 'form'],
];

for (const [raw, flaw] of AMBIGUOUS) {
  test(`an ambiguous target is refused, not repaired: ${JSON.stringify(raw)}`, () => {
    assert.deepEqual(parseTarget(raw, 'api.example'), { flaw });
  });
}

const CANONICAL: readonly [raw: string, path: string, query: string, segments: readonly string[]][] = [
  ['/', '/', '', []],
  ['/?', '/', '?', []],
  ['/orders/7', '/orders/7', '', ['orders', '7']],
  ['/orders/', '/orders/', '', ['orders']],
  ['/%6frders/%7e%41%2D%2e1', '/orders/~A-.1', '', ['orders', '~A-.1']],
  ['/a%3ab', '/a%3Ab', '', ['a:b']],
  ['/a%21b', '/a%21b', '', ['a!b']],
  ['/caf%c3%a9', '/caf%C3%A9', '', ['café']],
  ['/a?x=1&y=a/../b//c;d', '/a', '?x=1&y=a/../b//c;d', ['a']],
  ['/a?x=%2e%2f%41', '/a', '?x=.%2FA', ['a']],
  ['/a?x=%0a', '/a', '?x=%0A', ['a']],
  ['http://API.example/a?b', '/a', '?b', ['a']],
  ['http://api.example', '/', '', []],
  ['http://api.example?x', '/', '?x', []],
];

for (const [raw, path, query, segments] of CANONICAL) {
  test(`a target has one spelling: ${raw}`, () => {
    assert.deepEqual(parseTarget(raw, 'api.example'), { path, query, segments });
  });
}

test('a canonical target parses to itself, and its segments never hold a separator or dots', () => {
  const piece = fc.oneof(
    fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5C', '%41', '%c3%a9', ';', '?', '#', '//', '%'),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const first = parseTarget(`/${pieces.join('')}`, 'h');
      if ('flaw' in first) return;
      assert.deepEqual(parseTarget(first.path + first.query, 'h'), first);
      for (const segment of first.segments) assert.doesNotMatch(segment, /[/\\]|^\.{1,2}$|^$/);
      assert.match(first.path, /^\/[\x21-\x7e]*$/);
    }),
    { seed: FUZZ_SEED, numRuns: 5_000, verbose: 1 },
  );
});
