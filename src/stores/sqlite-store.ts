// The store in a SQLite file: for one machine, with nothing else to run.
import { resolve } from 'node:path';
import { UserFault } from '../core/fault.ts';
import type { Store } from '../core/ports.ts';
import { SqliteAttempts } from './sqlite-attempts.ts';
import { SqliteChanges } from './sqlite-changes.ts';
import { openDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { KEYS_SCHEMA, SqliteKeys } from './sqlite-keys.ts';
import { LIMITS_SCHEMA, SqliteLimits } from './sqlite-limits.ts';
import type { StoreSettings } from './settings.ts';

/** See `openStore`. */
export async function openSqliteStore(settings: StoreSettings): Promise<Store> {
  const { timeoutMs, clock, feedClock = clock, observe, warn } = settings;
  const file = sqliteFile(settings.url);
  const opened: SqliteDatabase[] = [];
  const open = async (path: string, synchronous: 'FULL' | 'NORMAL', schema: string) => {
    const db = await openDatabase({ file: path, synchronous, timeoutMs, schema });
    opened.push(db);
    return db;
  };
  const close = () => opened.forEach((db) => db.close());
  try {
    const keys = new SqliteKeys(await open(file, 'FULL', KEYS_SCHEMA), observe, warn);
    const changes = new SqliteChanges(await open(file, 'FULL', KEYS_SCHEMA), feedClock, warn);
    const counts = await open(`${file}-limits`, 'NORMAL', LIMITS_SCHEMA);
    const limits = new SqliteLimits(counts, clock, observe);
    const attempts = new SqliteAttempts(counts, clock, observe);
    return {
      keys,
      limits,
      changes,
      attempts: (rule) => attempts.counter(rule),
      ping: () => keys.ping(),
      async close() {
        await changes.stop();
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function sqliteFile(url: string): string {
  const path = url.slice('sqlite:'.length);
  if (path === '' || path.startsWith('//') || path.startsWith(':') || path.includes('\0'))
    throw new UserFault('store.url is not a SQLite URL; write sqlite:PATH, such as sqlite:data/portcullis.db.', 78);
  return resolve(path);
}
