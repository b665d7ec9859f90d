// Key records in SQLite: a row a record, an index from digest to id, and a log of changes, written in one
// transaction that is on disk when it is acknowledged.
import { setImmediate as breathe } from 'node:timers/promises';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import type { KeyRecord, KeyState } from '../core/key-record.ts';
import type { Found, KeyStore, StoreObserver } from '../core/ports.ts';
import type { KnownStore } from './known-store.ts';
import { doubtOf } from './lineage.ts';
import { runOperation, type StoreOperation } from './operations.ts';
import { parseRecord, recordText } from './record-text.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { SqliteHistory } from './sqlite-history.ts';
import type { Warn } from './settings.ts';

export const KEYS_SCHEMA = `
CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  owner TEXT,
  status TEXT NOT NULL,
  expires_at INTEGER,
  record TEXT NOT NULL
) STRICT;
CREATE INDEX keys_by_owner ON keys (owner, id);
CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE status = 'active' AND expires_at IS NOT NULL;
CREATE TABLE digests (digest TEXT PRIMARY KEY, key_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX digests_by_key ON digests (key_id);
-- Counting a million rows at every scrape would hold up requests.
CREATE TABLE totals (status TEXT PRIMARY KEY, keys INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES ('active', 0), ('disabled', 0), ('revoked', 0);
CREATE TRIGGER keys_added AFTER INSERT ON keys BEGIN
  UPDATE totals SET keys = keys + 1 WHERE status = new.status;
END;
CREATE TRIGGER keys_changed AFTER UPDATE OF status ON keys WHEN old.status <> new.status BEGIN
  UPDATE totals SET keys = keys - 1 WHERE status = old.status;
  UPDATE totals SET keys = keys + 1 WHERE status = new.status;
END;
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, key_id TEXT NOT NULL) STRICT;
`;

export class SqliteKeys implements KeyStore {
  readonly #db: SqliteDatabase;
  readonly #known: KnownStore;
  readonly #observe: StoreObserver;
  readonly #warn: Warn;
  readonly #history: SqliteHistory;
  readonly #sql: ReturnType<typeof statements>;

  constructor(db: SqliteDatabase, known: KnownStore, observe: StoreObserver, warn: Warn) {
    this.#db = db;
    this.#known = known;
    this.#history = new SqliteHistory(db);
    this.#observe = observe;
    this.#warn = warn;
    this.#sql = statements(db);
  }

  findByDigest(digests: readonly string[]): Promise<Found> {
    return this.#run('find', () => {
      const found = this.#find(digests);
      this.#assertKnown('find');
      return found;
    });
  }

  get(id: string): Promise<Found> {
    return this.#run('get', () => {
      const row = this.#sql.byId.get(id);
      this.#assertKnown('get');
      return (row && this.#read(row['record'], id)) ?? 'absent';
    });
  }

  async save(record: KeyRecord, expected: number): Promise<'saved' | 'conflict'> {
    const text = recordText(record);
    return this.#run('save', () =>
      this.#db.transaction(() => {
        this.#assertKnown('save');
        if (this.#isConflict(record, expected)) return 'conflict';
        const { id, revision, owner, status, expiresAt } = record;
        this.#sql.put.run(id, revision, owner, status, expiresAt, text);
        this.#sql.dropDigests.run(id);
        for (const { digest } of record.secrets) this.#sql.putDigest.run(digest, id);
        const { lastInsertRowid } = this.#sql.tell.run(id);
        this.#sql.trimChanges.run(Number(lastInsertRowid) - BOUNDS.changeLogLength);
        return 'saved';
      }),
    );
  }

  async *list(filter: { readonly owner?: string } = {}): AsyncGenerator<KeyRecord> {
    const { owner } = filter;
    for (let after = ''; ; await breathe()) {
      const rows = await this.#run('list', () =>
        owner === undefined
          ? this.#sql.next.all(after, BOUNDS.listBatch)
          : this.#sql.nextOfOwner.all(owner, after, BOUNDS.listBatch),
      );
      for (const row of rows) {
        after = String(row['id']);
        const record = this.#read(row['record'], after);
        if (record) yield record;
      }
      if (rows.length < BOUNDS.listBatch) return;
    }
  }

  countByState(nowMs: number): Promise<Readonly<Record<KeyState, number>>> {
    return this.#run('count', () => {
      const totals = Object.fromEntries(this.#sql.totals.all().map((row) => [row['status'], Number(row['keys'])]));
      const expired = Number(this.#sql.expired.get(nowMs)?.['keys']);
      const { active = 0, disabled = 0, revoked = 0 } = totals;
      return { active: active - expired, expired, disabled, revoked };
    });
  }

  ping(): Promise<void> {
    return this.#run('ping', () => void this.#sql.totals.get());
  }

  #find(digests: readonly string[]): Found {
    for (const digest of digests) {
      const row = this.#sql.byDigest.get(digest);
      const record = row && this.#read(row['record']);
      if (record?.secrets.some((secret) => secret.digest === digest)) return record;
    }
    return 'absent';
  }

  /** Asked behind a look-up: a file that is not the known one does not become it again. The change feed says more, in the log. */
  #assertKnown(operation: StoreOperation): void {
    const known = this.#known.lineage;
    if (known && doubtOf(known, this.#history.see(known)) !== undefined)
      throw new StoreFault(operation, `${this.#db.file} is not the store that this gateway knew, or not as it was`);
  }

  #isConflict({ id, secrets }: KeyRecord, expected: number): boolean {
    const row = this.#sql.byId.get(id);
    const held = (row && this.#read(row['record'], id)?.revision) ?? 0;
    if (held !== expected) return true;
    return secrets.some(({ digest }) => {
      const holder = this.#sql.holder.get(digest)?.['key_id'];
      return holder !== undefined && holder !== id;
    });
  }

  /** The record of a text, if it is one, and the one asked for. */
  #read(text: unknown, id?: string): KeyRecord | undefined {
    const record = typeof text === 'string' ? parseRecord(text) : undefined;
    if (record && (id === undefined || record.id === id)) return record;
    this.#warn('a key record in SQLite cannot be read and counts as absent', id === undefined ? {} : { key: id });
    return undefined;
  }

  #run<T>(operation: StoreOperation, work: () => T): Promise<T> {
    return runOperation(this.#observe, operation, () => {
      this.#db.assertInPlace();
      const { doubt } = this.#known;
      if (doubt !== undefined) throw new StoreFault(operation, doubt);
      return work();
    });
  }
}

function statements(db: SqliteDatabase) {
  return {
    byId: db.prepare('SELECT record FROM keys WHERE id = ?'),
    byDigest: db.prepare('SELECT keys.record FROM digests JOIN keys ON keys.id = digests.key_id WHERE digest = ?'),
    holder: db.prepare('SELECT key_id FROM digests WHERE digest = ?'),
    put: db.prepare(`
      INSERT INTO keys (id, revision, owner, status, expires_at, record) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, owner = excluded.owner,
        status = excluded.status, expires_at = excluded.expires_at, record = excluded.record`),
    dropDigests: db.prepare('DELETE FROM digests WHERE key_id = ?'),
    putDigest: db.prepare('INSERT INTO digests (digest, key_id) VALUES (?, ?)'),
    tell: db.prepare('INSERT INTO changes (key_id) VALUES (?)'),
    trimChanges: db.prepare('DELETE FROM changes WHERE seq <= ?'),
    next: db.prepare('SELECT id, record FROM keys WHERE id > ? ORDER BY id LIMIT ?'),
    nextOfOwner: db.prepare('SELECT id, record FROM keys WHERE owner = ? AND id > ? ORDER BY id LIMIT ?'),
    totals: db.prepare('SELECT status, keys FROM totals'),
    expired: db.prepare("SELECT count(*) AS keys FROM keys WHERE status = 'active' AND expires_at <= ?"),
  };
}
