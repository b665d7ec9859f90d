// One SQLite file, opened the one way that is safe for several processes: WAL, transactions that take the
// write lock when they begin, and a bounded wait for it.
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import { sqliteCode, sqliteCure } from './sqlite-cures.ts';

export interface DatabaseOptions {
  readonly file: string;
  /** `FULL`: what is acknowledged survives a power failure. `NORMAL`: it survives the process. */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** Longest wait for another process's write, ms. */
  readonly timeoutMs: number;
  /** Tables of version 1. */
  readonly schema: string;
  /** Adds to them what files of earlier versions lack; in the transaction that makes the tables. */
  readonly complete?: (db: DatabaseSync) => void;
}

/** Version of the tables that this program reads and writes. */
const SCHEMA_VERSION = 1;
const OPEN_PATIENCE_MS = 5_000;
const SQLITE_BUSY = 5;

export class SqliteDatabase {
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #inodes: readonly (bigint | undefined)[];
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #timeoutMs: number;
  /** Until then, on `performance.now()`, nobody waits for the write lock. */
  #impatientUntil = 0;

  constructor(file: string, db: DatabaseSync, timeoutMs: number) {
    this.file = file;
    this.#db = db;
    this.#timeoutMs = Math.ceil(timeoutMs);
    this.#waitFor(this.#timeoutMs);
    this.#inodes = inodesOf(file);
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /** Runs `work` in a write transaction of its own: all of it or nothing. */
  transaction<T>(work: () => T): T {
    this.#beginInTime();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Throws if the path no longer leads to the files that are open: what is written here would be lost. */
  assertInPlace(): void {
    if (!this.isInPlace)
      throw new Error(`${this.file} was removed or replaced while in use; restart to open the new file`);
  }

  get isInPlace(): boolean {
    return inodesOf(this.file).every((inode, at) => inode === this.#inodes[at]);
  }

  /** Differs whenever something was written to the file itself: by a checkpoint, or by someone who copied over it. */
  stamp(): string {
    const stat = statSync(this.file, { bigint: true, throwIfNoEntry: false });
    return `${stat?.mtimeNs} ${stat?.size}`;
  }

  /**
   * The wait for the lock is everybody's: nothing else runs meanwhile. So it is waited for in vain once, and then
   * for a while only tried.
   */
  #beginInTime(): void {
    const isImpatient = this.#impatientUntil !== 0;
    if (isImpatient && performance.now() >= this.#impatientUntil) this.#waitFor(this.#timeoutMs);
    try {
      this.#begin.run();
    } catch (error) {
      if (isBusy(error) && this.#impatientUntil === 0) {
        this.#waitFor(0);
        this.#impatientUntil = performance.now() + BOUNDS.sqliteImpatienceMs;
      }
      throw error;
    }
    if (isImpatient && this.#impatientUntil !== 0) this.#waitFor(this.#timeoutMs);
  }

  #waitFor(timeoutMs: number): void {
    this.#impatientUntil = 0;
    this.#db.exec(`PRAGMA busy_timeout = ${timeoutMs}`);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

/**
 * Opens the file, makes it (mode 0600) and its directory where they are missing, and brings its tables into being.
 * @throws {UserFault} if it cannot be opened or is no database of ours
 */
export async function openDatabase(options: DatabaseOptions): Promise<SqliteDatabase> {
  const { file } = options;
  try {
    mkdirSync(dirname(file), { recursive: true });
    makeFile(file);
    return new SqliteDatabase(file, await openPatiently(options), options.timeoutMs);
  } catch (error) {
    if (error instanceof UserFault) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const cure = sqliteCure(error) ?? 'give store.url a path that is writable and holds nothing else';
    throw new UserFault(`The SQLite store ${file} cannot be opened (${reason}); ${cure}.`, 1, error);
  }
}

/**
 * SQLite gives the files beside it the same mode. One that is there is left alone: to close a file ends the locks that
 * this process has on it, another connection's too.
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** Another process that is just making the file holds locks that no busy timeout waits for. */
async function openPatiently(options: DatabaseOptions): Promise<DatabaseSync> {
  const deadline = performance.now() + OPEN_PATIENCE_MS;
  for (;;) {
    const db = new DatabaseSync(options.file, { timeout: 500 });
    try {
      prepareDatabase(db, options);
      return db;
    } catch (error) {
      db.close();
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    await pause(20);
  }
}

function prepareDatabase(db: DatabaseSync, { file, synchronous, schema, complete }: DatabaseOptions): void {
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA trusted_schema = OFF`);
  db.exec('BEGIN IMMEDIATE');
  db.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
  const version = db.prepare('SELECT version FROM schema_version').get()?.['version'];
  if (version === undefined) {
    db.exec(schema);
    db.prepare('INSERT INTO schema_version (version) VALUES (?)').run(SCHEMA_VERSION);
  }
  if (version === undefined || version === SCHEMA_VERSION) complete?.(db);
  db.exec('COMMIT');
  if (version !== undefined && version !== SCHEMA_VERSION)
    throw new UserFault(
      `The SQLite store ${file} has tables of version ${String(version)}, and this program reads version ${SCHEMA_VERSION}; run the version that made it.`,
    );
}

function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

/** Of the file and its log, which stays as long as anybody has the file open. */
function inodesOf(file: string): readonly (bigint | undefined)[] {
  return [file, `${file}-wal`].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino);
}
