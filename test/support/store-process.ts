// A process of its own over a store, as one gateway among several. It is forked with the store's URL, and does
// what it is told: takes of a limit all at once, or a change of a key.
import type { LimitDemand } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { storeSettings } from './backings.ts';
import { keyRecord } from './key-records.ts';

/** What the process is told, and answers with a number each. */
export type Order =
  | { readonly kind: 'take'; readonly demand: LimitDemand; readonly times: number }
  | { readonly kind: 'save'; readonly id: string };

const [, , url = ''] = process.argv;
const store = await openStore(storeSettings(url, { timeoutMs: 20_000 }));

process.on('message', (order: Order) => {
  void obey(order).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => void store.close());
process.send?.('ready');

async function obey(order: Order): Promise<number> {
  if (order.kind === 'save') {
    await store.keys.save(keyRecord({ id: order.id }), 0);
    return 1;
  }
  const takes = await Promise.all(Array.from({ length: order.times }, () => store.limits.take([order.demand])));
  return takes.filter(({ isAdmitted }) => isAdmitted).length;
}
