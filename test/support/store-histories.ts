// Stores whose history a test can break as an accident would: a real Redis that is flushed or restarted on an older
// snapshot, a real SQLite file that is emptied, replaced or written over.
import { copyFile, rename, rm } from 'node:fs/promises';
import { backup, DatabaseSync } from 'node:sqlite';
import { openStore } from '../../src/stores/open.ts';
import { type Backing, backing, storeSettings } from './backings.ts';
import { keyRecord } from './key-records.ts';
import { startRedis, tell } from './redis.ts';
import { makeTempDir } from './temp-dir.ts';

/** A store, and what can befall it. */
export interface BreakableStore extends Backing {
  /** Keeps a copy of what it holds now; the function that is returned puts that back. */
  snapshot(): Promise<() => Promise<void>>;
  /** Empties it, as an operator's mistake would. */
  flush(): Promise<void>;
}

export async function breakableRedis(): Promise<BreakableStore> {
  const redis = await startRedis();
  const dump = redis.dir.file('dump.rdb');
  let copies = 0;
  return {
    ...backing('redis', redis.url, () => redis.dispose()),
    snapshot: async () => {
      await tell(redis, 'save');
      const copy = redis.dir.file(`copy-${(copies += 1)}.rdb`);
      await copyFile(dump, copy);
      return async () => {
        await redis.kill();
        await copyFile(copy, dump);
        await redis.start();
      };
    },
    flush: async () => {
      await tell(redis, 'flushall');
    },
  };
}

/** How a copy gets into the place of the file. */
type PutBack = (copy: string, file: string) => Promise<unknown>;

const WAYS: Readonly<Record<string, PutBack>> = {
  'another file moved there': async (copy, file) => {
    await copyFile(copy, `${file}.new`);
    await rename(`${file}.new`, file);
  },
  'written over by SQLite (.restore)': async (copy, file) => {
    const source = new DatabaseSync(copy);
    await backup(source, file);
    source.close();
  },
  'copied over, its log removed': async (copy, file) => {
    await copyFile(copy, file);
    await Promise.all(['-wal', '-shm'].map((end) => rm(`${file}${end}`, { force: true })));
  },
};

/** SQLite, once for each way in which a file is restored. */
export const BREAKABLE_SQLITE = Object.entries(WAYS).map(([way, putBack]) => ({
  name: `sqlite, ${way}`,
  make: () => breakableSqlite(putBack),
}));

async function breakableSqlite(putBack: PutBack): Promise<BreakableStore> {
  const dir = await makeTempDir();
  const file = dir.file('store.db');
  let copies = 0;
  return {
    ...backing('sqlite', `sqlite:${file}`, () => dir.remove()),
    snapshot: async () => {
      const copy = dir.file(`copy-${(copies += 1)}.db`);
      const source = new DatabaseSync(file);
      await backup(source, copy);
      source.close();
      return async () => void (await putBack(copy, file));
    },
    flush: async () => {
      const empty = dir.file(`empty-${(copies += 1)}.db`);
      const store = await openStore(storeSettings(`sqlite:${empty}`));
      await store.close();
      await putBack(empty, file);
    },
  };
}

/** Changes as many keys of a store, as somebody else would. */
export async function changeKeys(url: string, name: string, count: number): Promise<void> {
  const store = await openStore(storeSettings(url));
  for (let at = 0; at < count; at += 1) await store.keys.save(keyRecord({ id: `${name}-${at}` }), 0);
  await store.close();
}
