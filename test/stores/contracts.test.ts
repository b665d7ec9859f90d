// The contract suites of the stores' ports, on every store there is.
import { BACKINGS } from '../support/backings.ts';
import { attemptCounterContract } from './attempt-counter.contract.ts';
import { changeFeedContract } from './change-feed.contract.ts';
import { keyStoreContract } from './key-store.contract.ts';
import { limitStoreContract } from './limit-store.contract.ts';

for (const { name, make } of BACKINGS) {
  keyStoreContract(name, make);
  limitStoreContract(name, make);
  changeFeedContract(name, make);
  attemptCounterContract(name, make);
}
