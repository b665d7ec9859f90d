// A process of its own over stores, as one gateway among several. Forked, it does what it is told: opens a
// store, takes a limit many times, at once or one after the other with leases, or changes a key.
import { flushCompileCache } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import type { LimitDemand, Store } from '../../src/core/ports.ts';
import { LeasedLimits } from '../../src/stores/leased-limits.ts';
import { openStore } from '../../src/stores/open.ts';
import { storeSettings } from './backings.ts';
import { keyRecord } from './key-records.ts';

/** What the process is told, and answers with a number each. */
export type Order =
  | { readonly kind: 'compiled' }
  | { readonly kind: 'open'; readonly url: string }
  | { readonly kind: 'take'; readonly url: string; readonly demand: LimitDemand; readonly times: number }
  | { readonly kind: 'take-leased'; readonly url: string; readonly demand: LimitDemand; readonly times: number }
  | { readonly kind: 'save'; readonly url: string; readonly id: string };

/** Requests under way at once where they are one after the other. */
const IN_FLIGHT = 8;

const stores = new Map<string, Store>();

process.on('message', (order: Order) => {
  void obey(order).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => stores.forEach((store) => void store.close()));
process.send?.('ready');

async function obey(order: Order): Promise<number> {
  if (order.kind === 'compiled') {
    flushCompileCache();
    return 1;
  }
  const store = stores.get(order.url) ?? (await openStore(storeSettings(order.url, { timeoutMs: 20_000 })));
  stores.set(order.url, store);
  switch (order.kind) {
    case 'open':
      return 1;
    case 'save':
      await store.keys.save(keyRecord({ id: order.id }), 0);
      return 1;
    case 'take': {
      const takes = Array.from({ length: order.times }, () => store.limits.take([order.demand]));
      return (await Promise.all(takes)).filter(({ isAdmitted }) => isAdmitted).length;
    }
    case 'take-leased':
      return await takeLeased(store, order.demand, order.times);
  }
}

async function takeLeased(store: Store, demand: LimitDemand, times: number): Promise<number> {
  const limits = new LeasedLimits(store.limits);
  const demands = [demand];
  let admitted = 0;
  let begun = 0;
  const client = async (): Promise<void> => {
    while (begun++ < times) {
      if ((await limits.take(demands)).isAdmitted) admitted++;
      // As requests do, each begins with an event of its own.
      await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
  await limits.close();
  return admitted;
}
