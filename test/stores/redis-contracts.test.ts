// The contract suites of the stores' ports on a Redis Cluster and on a Redis behind Sentinels.
import { after, before, describe } from 'node:test';
import { backing, type Backing } from '../support/backings.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startSentinels } from '../support/redis-sentinel.ts';
import { attemptCounterContract } from './attempt-counter.contract.ts';
import { changeFeedContract } from './change-feed.contract.ts';
import { keyStoreContract } from './key-store.contract.ts';
import { limitStoreContract } from './limit-store.contract.ts';

/** What several servers of a test file have in common. */
interface Servers {
  readonly url: string;
  dispose(): Promise<void>;
}

const TOPOLOGIES: readonly { readonly name: Backing['name']; readonly start: () => Promise<Servers> }[] = [
  { name: 'cluster', start: startCluster },
  { name: 'sentinel', start: startSentinels },
];

for (const { name, start } of TOPOLOGIES)
  describe(name, () => {
    let servers: Servers;
    before(async () => {
      servers = await start();
    });
    after(() => servers.dispose());

    const make = () => Promise.resolve(backing(name, servers.url, () => Promise.resolve()));
    keyStoreContract(name, make);
    limitStoreContract(name, make);
    changeFeedContract(name, make);
    attemptCounterContract(name, make);
  });
