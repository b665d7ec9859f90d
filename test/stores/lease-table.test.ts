// Subjects of which admissions may be held: noted on their second demand, in bounded memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { LimitDemand } from '../../src/core/ports.ts';
import { LeaseTable } from '../../src/stores/lease-table.ts';
import type { Lease } from '../../src/stores/lease.ts';

const demand = (id: string): LimitDemand => ({
  id,
  algorithm: 'fixed',
  requests: 10_000,
  periodMs: 60_000,
  burst: 10_000,
  cost: 1,
});
const nobody = () => assert.fail('nothing is evicted');

test('a key that is used once leaves nothing behind, whatever their number', () => {
  const table = new LeaseTable();
  for (let at = 0; at < 100_000; at++) table.find(demand(`key-${at}`), at / 100, nobody);
  assert.equal(table.size, 0);
});

test('a subject is noted when it is demanded again within a short while', () => {
  const table = new LeaseTable();
  assert.equal(table.find(demand('a'), 0, nobody), undefined);
  assert.equal(table.find(demand('a'), BOUNDS.leaseIdleMs, nobody), undefined);
  const lease = table.find(demand('a'), BOUNDS.leaseIdleMs + 1, nobody);
  assert.ok(lease);
  assert.equal(table.find(demand('a'), 10 * BOUNDS.leaseIdleMs, nobody), lease);
  assert.equal(table.find({ ...demand('a'), requests: 9_999 }, 10 * BOUNDS.leaseIdleMs, nobody), undefined);
});

test('only so many are held; the place of one that is not in use is given to another', () => {
  const table = new LeaseTable(3);
  const evicted: Lease[] = [];
  const find = (id: string, now: number) => table.find(demand(id), now, (lease) => evicted.push(lease));
  const note = (id: string, now: number) => (find(id, now), find(id, now));
  const a = note('a', 0);
  const others = [note('b', 0), note('c', 0)];
  assert.equal(note('d', BOUNDS.leaseIdleMs - 1), undefined, 'all are in use');
  a?.spend(0, BOUNDS.leaseIdleMs);
  assert.ok(note('d', BOUNDS.leaseIdleMs));
  assert.equal(evicted.length, 1);
  assert.ok(others.includes(evicted[0]));
  assert.equal(evicted[0]?.isForgotten, true);
  assert.equal(find('a', BOUNDS.leaseIdleMs), a);
  assert.equal(table.size, 3);
});

test('a subject that nobody demands is forgotten', () => {
  const table = new LeaseTable();
  table.find(demand('a'), 0, nobody);
  const lease = table.find(demand('a'), 0, nobody);
  table.sweep(BOUNDS.leaseForgottenMs - 1, () => {});
  assert.equal(table.size, 1);
  table.sweep(BOUNDS.leaseForgottenMs, (seen) => assert.equal(seen, lease));
  assert.deepEqual([table.size, lease?.isForgotten], [0, true]);
});
