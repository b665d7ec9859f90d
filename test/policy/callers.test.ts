import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../../src/config/load.ts';
import type { HeldKey } from '../../src/core/policy.ts';
import { compilePolicy } from '../../src/policy/compile.ts';

const KEY: HeldKey = {
  id: 'billing-job',
  declared: false,
  status: 'active',
  owner: 'acme',
  name: null,
  roles: ['reader'],
  scopes: ['invoices:write'],
  allow: [],
  deny: [],
  plan: null,
  expiresAt: null,
  secretCreatedAt: 1_700_000_000_000,
  secretEndsAt: null,
  compiled: null,
};

async function policyOf(readerMay: string) {
  const { config, hash } = await readConfig(
    {
      version: 1,
      upstreams: { app: { targets: ['http://127.0.0.1:1'] } },
      roles: { reader: [readerMay] },
      routes: { all: { path: '/**', upstream: 'app' } },
    },
    {},
  );
  return compilePolicy(config, hash);
}

test('the holder of a held key is compiled once, and anew for the policy that follows', async () => {
  const [before, after] = [await policyOf('orders:read'), await policyOf('orders:write')];
  const key = { ...KEY };
  const caller = before.callerOf(key);
  assert.equal(before.callerOf(key), caller);
  assert.deepEqual(caller !== 'undeclared' && caller.scopes, ['invoices:write', 'orders:read']);
  const next = after.callerOf(key);
  assert.deepEqual(next !== 'undeclared' && next.scopes, ['invoices:write', 'orders:write']);
  // A request that began under the policy before keeps it.
  const again = before.callerOf(key);
  assert.deepEqual(again !== 'undeclared' && again.scopes, ['invoices:write', 'orders:read']);
});

test('identity headers carry visible ASCII as it is, and percent-encode all else as UTF-8', async () => {
  const policy = await policyOf('orders:read');
  for (const [owner, sent] of [
    ['acme', 'acme'],
    ['Acme Inc.', 'Acme Inc.'],
    ['100%', '100%25'],
    [' acme ', '%20acme%20'],
    [' ', '%20'],
    ['Größe', 'Gr%C3%B6%C3%9Fe'],
    ['a\r\nX-Consumer-Id: b', 'a%0D%0AX-Consumer-Id: b'],
    ['\ud800', '%EF%BF%BD'],
    ['\x7f', '%7F'],
  ] as const) {
    const caller = policy.callerOf({ ...KEY, owner });
    assert.ok(caller !== 'undeclared');
    const at = caller.identityFields.indexOf('X-Consumer-Id');
    assert.equal(at === -1 ? undefined : caller.identityFields[at + 1], sent);
  }
});
