import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrantedScopes, missingScopes, type ScopeRequirement } from '../../src/core/scopes.ts';

const COVERS: readonly [granted: string, asked: string, isCovered: boolean][] = [
  ['orders:read', 'orders:read', true],
  ['orders:read', 'orders:write', false],
  ['orders:read', 'orders:read:all', false],
  ['orders:*', 'orders:read', true],
  ['orders:*', 'orders:read:all', true],
  ['orders:*', 'orders', false],
  ['orders:*', 'ordersx:read', false],
  ['orders:read:*', 'orders:read', false],
  ['orders:read:*', 'orders:read:all', true],
  ['*', 'orders', true],
  ['*', 'orders:read:all', true],
  ['orders', 'orders:read', false],
];

for (const [granted, asked, isCovered] of COVERS) {
  test(`a granted ${granted} ${isCovered ? 'covers' : 'does not cover'} ${asked}`, () => {
    assert.equal(new GrantedScopes([granted]).covers(asked), isCovered);
  });
}

const MISSING: readonly [requirement: ScopeRequirement, granted: readonly string[], missing: readonly string[]][] = [
  [['a', 'b'], ['a', 'b'], []],
  [['a', 'b'], ['b'], ['a']],
  [['a', 'b'], [], ['a', 'b']],
  [{ any: ['a', 'b'] }, ['b'], []],
  [{ any: ['a', 'b'] }, ['c'], ['a', 'b']],
  [{ all: ['a', { any: ['b', 'c'] }] }, ['a', 'c'], []],
  [{ all: ['a', { any: ['b', 'c'] }] }, ['a'], ['b', 'c']],
  [{ all: ['a', { any: ['b', 'c'] }] }, ['b'], ['a']],
  [{ any: [{ all: ['a', 'b'] }, 'c'] }, ['a', 'b'], []],
  [{ any: [{ all: ['a', 'b'] }, { all: ['a', 'c'] }] }, ['b'], ['a', 'c']],
  [[], [], []],
];

for (const [requirement, granted, missing] of MISSING) {
  test(`${JSON.stringify(requirement)} with ${JSON.stringify(granted)} lacks ${JSON.stringify(missing)}`, () => {
    assert.deepEqual(missingScopes(requirement, new GrantedScopes(granted)), missing);
  });
}
