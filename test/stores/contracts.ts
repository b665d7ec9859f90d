// The contract suites of all the stores' ports, to be run on one store.
import type { Backing } from '../support/backings.ts';
import { attemptCounterContract } from './attempt-counter.contract.ts';
import { changeFeedContract } from './change-feed.contract.ts';
import { keyStoreContract } from './key-store.contract.ts';
import { limitStoreContract } from './limit-store.contract.ts';

export function storeContracts(name: string, make: () => Promise<Backing>): void {
  keyStoreContract(name, make);
  limitStoreContract(name, make);
  changeFeedContract(name, make);
  attemptCounterContract(name, make);
}
