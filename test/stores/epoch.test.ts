// The histories of both kinds of store, broken in every way in which they break.
import { BREAKABLE_SQLITE, breakableRedis } from '../support/store-histories.ts';
import { epochContract } from './epoch.contract.ts';

epochContract('redis', breakableRedis);
for (const { name, make } of BREAKABLE_SQLITE) epochContract(name, make);
