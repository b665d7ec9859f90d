// A process that changes keys as the commands do, and says of each change that it was acknowledged: told by
// standard output, which survives it. Started with a store's URL, a pepper and a seed; runs until it is killed.
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { Pepper } from '../../src/core/key-record.ts';
import { NO_GRANTS } from '../../src/manage/declarations.ts';
import { KeyService } from '../../src/manage/key-service.ts';
import { openStore } from '../../src/stores/open.ts';

const [, , url = '', pepperHex = '', prefix = ''] = process.argv;
const pepper = new Pepper(Buffer.from(pepperHex, 'hex'));
const store = await openStore({
  url,
  prefix: 'test',
  timeoutMs: 5_000,
  clock: Date.now,
  observe: () => {},
  warn: () => {},
});
const keys = new KeyService({
  store: store.keys,
  peppers: { current: pepper, previous: [] },
  declarations: { roles: new Map(), plans: new Set(), keys: new Map([['declared', NO_GRANTS]]) },
  prefix: 'ptc_live',
  now: Date.now,
  random: randomBytes,
});

/** One write of one line: nothing of it waits in this process. */
const acknowledged = (id: string, revision: number, status: string): void => {
  writeSync(1, `${id} ${revision} ${status}\n`);
};

for (let at = 0; ; at++) {
  const id = `${prefix}-${at}`;
  const { record } = await keys.create({ id, grants: { owner: 'acme', scopes: ['a:read'] } });
  acknowledged(id, record.revision, record.status);
  const updated = await keys.update(id, { scopes: ['a:read', `b:${at}`] });
  acknowledged(id, updated.revision, updated.status);
  const revoked = await keys.revoke(id);
  acknowledged(id, revoked.revision, revoked.status);
}
