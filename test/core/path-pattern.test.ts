// Route paths as written: what is taken, what is refused with which cure, and which mean the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePathPattern, pathShape } from '../../src/core/path-pattern.ts';
import { parseTarget } from '../../src/core/target.ts';

function shapeOf(text: string): string {
  const pattern = parsePathPattern(text);
  assert.ok(pattern.ok, `${text} ${pattern.ok ? '' : pattern.problem}`);
  return pathShape(pattern);
}

test('segments are literal, * or {name}, and a last ** is any number', () => {
  assert.deepEqual(parsePathPattern('/shops/{shop}/*/café/**'), {
    ok: true,
    segments: [{ kind: 'literal', text: 'shops' }, { kind: 'one' }, { kind: 'one' }, { kind: 'literal', text: 'café' }],
    isOpen: true,
  });
  assert.deepEqual(parsePathPattern('/'), { ok: true, segments: [], isOpen: false });
  assert.deepEqual(parsePathPattern('/**'), { ok: true, segments: [], isOpen: true });
});

test('* and {name} have the same shape, all else has its own', () => {
  assert.equal(shapeOf('/orders/{id}'), shapeOf('/orders/*'));
  const shapes = ['/', '/**', '/*', '/orders', '/orders/**', '/orders/*', '/Orders', '/orders/*/**'].map(shapeOf);
  assert.equal(new Set(shapes).size, shapes.length);
});

const REFUSED: readonly [text: string, problem: RegExp][] = [
  ['', /does not begin with \//],
  ['orders', /does not begin with \//],
  ['/orders/', /write \/orders, /],
  ['//', /ends with \/; write \/, /],
  ['/a//b', /empty segment/],
  ['/a/./b', /dot segment \./],
  ['/a/..', /dot segment \.\./],
  ['/a*', /\* inside/],
  ['/**/a', /before its end/],
  ['/{a}/{a}', /\{a\} twice/],
  ['/{}', /brace/],
  ['/{1}', /brace/],
  ['/a{b}', /brace/],
  ['/a%20b', /as in "\/a b"/],
  ['/a%2fb', /percent-encoding/],
  ['/a%zz', /percent-encoding; write the character itself$/],
  ['/a?b', /\?/],
  ['/a#b', /#/],
  ['/a;b', /;/],
  ['/a\\b', /\\/],
  ['/a\nb', /control character/],
  ['/a\u0085b', /control character/],
  ['/a\ud800b', /surrogate/],
];

test('a path that no request can have is refused with the cure', () => {
  for (const [text, problem] of REFUSED) {
    const parsed = parsePathPattern(text);
    assert.ok(!parsed.ok, `${JSON.stringify(text)} was taken`);
    assert.match(parsed.problem, problem);
  }
});

test('every literal that is taken is the segment of some request', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }), (literal) => {
      const pattern = parsePathPattern(`/${literal}`);
      const [segment, ...others] = pattern.ok ? pattern.segments : [];
      if (segment?.kind !== 'literal') return;
      if (others.length > 0) return;
      const target = parseTarget(`/${encodeURIComponent(segment.text)}`, 'h');
      assert.ok('segments' in target, `${JSON.stringify(literal)}: ${JSON.stringify(target)}`);
      assert.deepEqual(target.segments, [segment.text]);
    }),
    { seed: 7, numRuns: 2_000 },
  );
});
