// The store in a SQLite file: for one machine, with nothing else to run.
import { resolve } from 'node:path';
import { UserFault } from '../core/fault.ts';
import type { Store } from '../core/ports.ts';
import { KnownStore } from './known-store.ts';
import { SqliteAttempts } from './sqlite-attempts.ts';
import { SqliteChanges } from './sqlite-changes.ts';
import { type DatabaseOptions, openDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { nameHistory } from './sqlite-history.ts';
import { sqliteCode, sqliteCure } from './sqlite-cures.ts';
import { KEYS_SCHEMA, SqliteKeys } from './sqlite-keys.ts';
import { LIMITS_SCHEMA, SqliteLimits } from './sqlite-limits.ts';
import type { StoreSettings } from './settings.ts';

/** See `openStore`. */
export async function openSqliteStore(settings: StoreSettings): Promise<Store> {
  const { timeoutMs, clock, feedClock = clock, observe, warn } = settings;
  const file = sqliteFile(settings.url);
  const opened: SqliteDatabase[] = [];
  const open = async (options: Omit<DatabaseOptions, 'timeoutMs'>) => {
    const db = await openDatabase({ ...options, timeoutMs });
    opened.push(db);
    return db;
  };
  const openKeys = () => open({ file, synchronous: 'FULL', schema: KEYS_SCHEMA, complete: nameHistory });
  const known = new KnownStore({ lineage: settings.lineage, where: { file }, warn });
  const close = () => opened.forEach((db) => db.close());
  try {
    const keys = new SqliteKeys(await openKeys(), known, observe, warn);
    const changes = new SqliteChanges(await openKeys(), known, feedClock, warn);
    const counts = await open({ file: `${file}-limits`, synchronous: 'NORMAL', schema: LIMITS_SCHEMA });
    const limits = new SqliteLimits(counts, clock, observe);
    const attempts = new SqliteAttempts(counts, clock, known.observing(observe));
    return {
      keys,
      limits,
      changes,
      lineage: () => known.lineage,
      taken: known.taken,
      attempts: (rule) => attempts.counter(rule),
      ping: () => keys.ping(),
      async close() {
        await changes.stop();
        close();
      },
    };
  } catch (error) {
    close();
    if (sqliteCode(error) === undefined) throw error;
    // A backup undoes revocations: it is the cure of nothing but damage.
    const cure = sqliteCure(error) ?? 'it lacks some of its tables, and is damaged: put the last backup in its place';
    throw new UserFault(`The SQLite store ${file} cannot be used (${(error as Error).message}); ${cure}.`, 1, error);
  }
}

function sqliteFile(url: string): string {
  const path = url.slice('sqlite:'.length);
  if (path === '' || path.startsWith('//') || path.startsWith(':') || path.includes('\0'))
    throw new UserFault('store.url is not a SQLite URL; write sqlite:PATH, such as sqlite:data/portcullis.db.', 78);
  return resolve(path);
}
