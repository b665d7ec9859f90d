import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitSets } from '../../src/checks/limit-sets.ts';
import { parseAddress } from '../../src/core/address.ts';
import type { Caller, Limit, Route } from '../../src/core/policy.ts';

const limit = (name: string, by: Limit['by']): Limit => ({
  name,
  by,
  algorithm: 'sliding',
  requests: 100,
  periodMs: 60_000,
  burst: 100,
  idPrefix: `scope/${name}/${by}/`,
  policyItem: `"${name}";q=100;w=60`,
});
const countsAddress = (limits: readonly Limit[]) => limits.some(({ by }) => by === 'address');
const route = (name: string, limits: readonly Limit[], cost = 1) =>
  ({ name, limits, countsAddress: countsAddress(limits), cost }) as Route;
const caller = (keyId: string, limits: readonly Limit[] = [], owner: string | null = 'acme') =>
  ({
    keyId,
    owner,
    plan: {
      name: 'free',
      limits,
      countsAddress: countsAddress(limits),
      countsRoute: limits.some(({ by }) => by === 'route'),
      concurrency: null,
    },
  }) as unknown as Caller;
const request = (of: { route: Route; caller?: Caller; from?: string }) => ({
  route: of.route,
  caller: of.caller ?? null,
  client: parseAddress(of.from ?? '192.0.2.1')!,
  forwardedFor: [],
  proto: 'http' as const,
  isPreflight: false,
  admission: 'key' as const,
});
const ids = (set: { demands: readonly { id: string }[] }) => set.demands.map(({ id }) => id);

test("the plan's limits, then the route's, each of its subject, at the route's cost", () => {
  const orders = route('orders', [limit('mine', 'key'), limit('ours', 'owner'), limit('all', 'route')], 3);
  const set = new LimitSets().of(request({ route: orders, caller: caller('ann', [limit('daily', 'key')]) }));
  assert.deepEqual(ids(set), [
    'scope/daily/key/ann',
    'scope/mine/key/ann',
    'scope/ours/owner/o:acme',
    'scope/all/route/orders',
  ]);
  assert.ok(set.demands.every(({ cost }) => cost === 3));
});

test('a key without an owner is its own; without a caller only what counts by address or route applies', () => {
  const orders = route('orders', [
    limit('mine', 'key'),
    limit('ours', 'owner'),
    limit('here', 'address'),
    limit('all', 'route'),
  ]);
  const sets = new LimitSets();
  assert.deepEqual(ids(sets.of(request({ route: orders, caller: caller('ann', [], null) }))).slice(0, 2), [
    'scope/mine/key/ann',
    'scope/ours/owner/k:ann',
  ]);
  assert.deepEqual(ids(sets.of(request({ route: orders, from: '2001:db8::1' }))), [
    'scope/here/address/20010db800000000%2F64',
    'scope/all/route/orders',
  ]);
});

test('requests alike get the same set from the second on; another caller, route or address gets one of its own', () => {
  const sets = new LimitSets();
  const [orders, stock] = [route('orders', [limit('mine', 'key')]), route('stock', [limit('here', 'address')])];
  const [ann, bob] = [caller('ann'), caller('bob')];
  sets.of(request({ route: orders, caller: ann }));
  const first = sets.of(request({ route: orders, caller: ann }));
  assert.equal(sets.of(request({ route: orders, caller: ann, from: '192.0.2.9' })), first);
  // The caller that a key's record gave another time.
  assert.equal(sets.of(request({ route: orders, caller: { ...ann } })), first);
  assert.notEqual(sets.of(request({ route: orders, caller: bob })), first);
  sets.of(request({ route: stock, caller: ann }));
  const here = sets.of(request({ route: stock, caller: ann }));
  assert.equal(sets.of(request({ route: stock, caller: ann })), here);
  assert.notEqual(sets.of(request({ route: stock, caller: ann, from: '192.0.2.9' })), here);
  assert.notEqual(sets.of(request({ route: stock, caller: bob })), here);
});

test("a plan's limit by route counts each route apart, also among routes without limits of their own", () => {
  const sets = new LimitSets();
  const ann = caller('ann', [limit('each', 'route')]);
  const [orders, stock] = [route('orders', []), route('stock', [])];
  for (let times = 0; times < 3; times++) {
    assert.deepEqual(ids(sets.of(request({ route: orders, caller: ann }))), ['scope/each/route/orders']);
    assert.deepEqual(ids(sets.of(request({ route: stock, caller: ann }))), ['scope/each/route/stock']);
  }
});

test('a caller whose record has changed gets a set anew, also where the address counts', () => {
  const sets = new LimitSets();
  const stock = route('stock', [limit('here', 'address')]);
  assert.equal(ids(sets.of(request({ route: stock, caller: caller('ann') }))).length, 1);
  const planned = sets.of(request({ route: stock, caller: caller('ann', [limit('daily', 'key')]) }));
  assert.deepEqual(ids(planned), ['scope/daily/key/ann', 'scope/here/address/192.0.2.1']);
});

test('only so many are remembered, and those that are asked for again and again always', () => {
  const sets = new LimitSets(100);
  const orders = route('orders', [limit('mine', 'key')]);
  const ann = caller('ann');
  sets.of(request({ route: orders, caller: ann }));
  const first = sets.of(request({ route: orders, caller: ann }));
  const twice = caller('twice');
  sets.of(request({ route: orders, caller: twice }));
  const gone = sets.of(request({ route: orders, caller: twice }));
  for (let at = 0; at < 1_000; at++) {
    for (const other of [caller(`other-${at}`), caller(`other-${at}`)])
      sets.of(request({ route: orders, caller: other }));
    assert.equal(sets.of(request({ route: orders, caller: ann })), first);
  }
  assert.notEqual(sets.of(request({ route: orders, caller: twice })), gone);
});
