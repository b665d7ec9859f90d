// The contract suites of the stores' ports, on every store that one process of a test has for itself. A Cluster and
// Sentinels run them in the files where they are started.
import { BACKINGS } from '../support/backings.ts';
import { storeContracts } from './contracts.ts';

for (const { name, make } of BACKINGS) storeContracts(name, make);
