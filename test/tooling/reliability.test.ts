// The pages of what was measured: nothing is left out of them, and nothing in them is made up.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { attacksPage, reliabilityPage, RULES } from '../reliability/pages.ts';
import { PROMISES } from '../reliability/promises.ts';
import type { Finding } from '../support/findings.ts';

const MEASURED = { day: '2026-01-02', on: ['2 cores'] };
const ATTACK: Finding = { attackClass: 'odd paths', known: 4, generated: 3000, unauthorised: 0, seed: 'FUZZ_SEED=1' };
const ALL: readonly Finding[] = [
  ...PROMISES.map((_text, at) => ({
    promise: at + 1,
    tried: `fault ${at + 1}`,
    promised: '0 lost',
    seen: `${at} | lost`,
  })),
  ...RULES.map((rule) => ({ rule, tried: '1 s', promised: '0 found', seen: '0 in 7 cases' })),
];

test('the page has each promise with what was tried, promised and seen', () => {
  const page = reliabilityPage([...ALL, ATTACK], MEASURED);
  for (const [at, promise] of PROMISES.entries()) {
    assert.ok(page.includes(`| ${at + 1} | ${promise} | in one way |`));
    assert.ok(page.includes(`| fault ${at + 1} | 0 lost | ${at} \\| lost |`));
  }
  assert.ok(page.includes('| odd paths | 4 | 3,000 | 0 |'));
  assert.ok(page.includes('| fuzzing | 1 s | 0 found | 0 in 7 cases |'));
});

test('a figure that is not as promised is marked, above as well', () => {
  const missed = ALL.map((each) => ('promise' in each && each.promise === 4 ? { ...each, isMissed: true } : each));
  const page = reliabilityPage([...missed, ATTACK], MEASURED);
  assert.ok(page.includes('| in one way | [NOT WHOLLY](#promise-4) |'));
  assert.ok(page.includes('| fault 4 | 0 lost | MISSED: 3 '));
});

test('a promise that nothing was measured of is no page but an error that names it', () => {
  const findings = [...ALL, ATTACK].filter((each) => !('promise' in each) || each.promise !== 7);
  assert.throws(() => reliabilityPage(findings, MEASURED), /Nothing was measured of promise 7\./);
  const unfuzzed = [...ALL, ATTACK].filter((each) => !('rule' in each) || each.rule !== 'fuzzing');
  assert.throws(() => reliabilityPage(unfuzzed, MEASURED), /Nothing was measured of fuzzing\./);
});

test('a case is shown beside what HAProxy and nginx make of it, none of its bytes as markup', () => {
  const page = attacksPage([
    {
      attackClass: 'odd paths',
      attack: '<b>|\r\n',
      source: 'RFC 3986',
      portcullis: '400, forwards nothing',
      haproxy: '200, forwards GET /a',
      nginx: '200, forwards GET /a',
      why: 'it can be read in two ways',
    },
  ]);
  assert.ok(page.includes('| \\<b\\>\\|\\\\r\\\\n | RFC 3986 | 400, forwards nothing |'));
});

test('what is published has all promises, rules and attack classes', () => {
  const page = readFileSync(new URL('../../docs/reliability.md', import.meta.url), 'utf8');
  for (const at of PROMISES.keys()) assert.match(page, new RegExp(`^## Promise ${at + 1}$`, 'm'));
  for (const rule of RULES) assert.match(page, new RegExp(`^\\| ${rule} \\|`, 'm'));
  assert.match(page, /^\| request framing \|/m);
});
