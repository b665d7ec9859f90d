// Failed attempts in SQLite, beside the limits: all processes on the file count as one, so that more workers
// grant an attacker no more attempts.
import { BOUNDS } from '../core/bounds.ts';
import type { AttemptCounter, Attempts, Clock, StoreObserver } from '../core/ports.ts';
import { memoryAttempts } from './attempts.ts';
import { runOperation } from './operations.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

interface AttemptOptions {
  readonly failures: number;
  readonly perMs: number;
  readonly blockMs: number;
}

/** Counts between two prunings, and rows that one pruning removes at most: more than counts can add meanwhile. */
const PRUNE_EVERY = 200;
const PRUNED_AT_ONCE = 2_000;

/** Opens the table; one serves every rule. */
export class SqliteAttempts {
  readonly #db: SqliteDatabase;
  readonly #clock: Clock;
  readonly #observe: StoreObserver;
  readonly #mostSources: number;
  readonly #sql: ReturnType<typeof statements>;
  #counts = 0;

  /** @param mostSources sources that are remembered; beyond it those whose time ends first are forgotten */
  constructor(db: SqliteDatabase, clock: Clock, observe: StoreObserver, mostSources: number = BOUNDS.guardSources) {
    this.#db = db;
    this.#clock = clock;
    this.#observe = observe;
    this.#mostSources = mostSources;
    // Files of earlier versions have limits only.
    for (const sql of SCHEMA) db.prepare(sql).run();
    this.#sql = statements(db);
  }

  /** A counter by one rule. While the file cannot be written, each process counts for itself. */
  counter(options: AttemptOptions): AttemptCounter {
    const insurance = memoryAttempts(options);
    const or = async <T>(work: () => T, otherwise: () => Promise<T>): Promise<T> => {
      try {
        return await runOperation(this.#observe, 'attempt', work);
      } catch {
        return await otherwise();
      }
    };
    return {
      count: (source) =>
        or(
          () => this.#count(source, options),
          () => insurance.count(source),
        ),
      forgive: (source) =>
        or(
          () => this.#write(() => this.#sql.forgive.run(source)),
          () => insurance.forgive(source),
        ),
      block: (source, blockMs) =>
        or(
          () => this.#block(source, blockMs),
          () => insurance.block(source, blockMs),
        ),
      vouch: (source, goodMs) =>
        or(
          () => this.#write(() => this.#sql.vouch.run(source, this.#clock() + goodMs)),
          () => insurance.vouch(source, goodMs),
        ),
      vouchedForMs: (source) =>
        or(
          () => this.#vouchedForMs(source, options.blockMs),
          () => insurance.vouchedForMs(source),
        ),
    };
  }

  #count(source: string, { perMs, blockMs }: AttemptOptions): Attempts {
    return this.#db.transaction(() => {
      const nowMs = this.#clock();
      if (++this.#counts % PRUNE_EVERY === 0) this.#prune(nowMs);
      // What lies further ahead than the rule reaches was written before the clock was set back.
      const row = this.#sql.count.get({ source, now: nowMs, end: nowMs + perMs, latest: nowMs + blockMs });
      return {
        attempts: Number(row?.['count']),
        blockedMs: Math.max(0, Number(row?.['blocked_until']) - nowMs),
      };
    });
  }

  #block(source: string, blockMs: number): void {
    this.#write(() => this.#sql.block.run({ source, until: this.#clock() + blockMs }));
  }

  /** In a transaction: unlike a statement alone, that does not wait again for a lock that was waited for in vain. */
  #write(statement: () => unknown): void {
    this.#db.transaction(statement);
  }

  #vouchedForMs(source: string, mostMs: number): number {
    const leftMs = Number(this.#sql.vouched.get(source)?.['good_until'] ?? 0) - this.#clock();
    return leftMs > mostMs ? 0 : Math.max(0, leftMs);
  }

  #prune(nowMs: number): void {
    this.#sql.pruneEnded.run(nowMs, PRUNED_AT_ONCE);
    const excess = Number(this.#sql.size.get()?.['sources']) - this.#mostSources;
    if (excess > 0) this.#sql.pruneFirst.run(excess);
    this.#sql.pruneVouched.run(nowMs, PRUNED_AT_ONCE);
    const vouched = Number(this.#sql.vouchedSize.get()?.['sources']) - this.#mostSources;
    if (vouched > 0) this.#sql.pruneVouchedFirst.run(vouched);
  }
}

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS attempts (
    source TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    counted_until INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    ends_at INTEGER NOT NULL GENERATED ALWAYS AS (max(counted_until, blocked_until)) STORED
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS attempts_by_end ON attempts (ends_at)',
  // Of its own, so that failures, however many, push out no source of good keys.
  `CREATE TABLE IF NOT EXISTS vouched (
    source TEXT PRIMARY KEY,
    good_until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS vouched_by_end ON vouched (good_until)',
];

function statements(db: SqliteDatabase) {
  return {
    count: db.prepare(`
      INSERT INTO attempts (source, count, counted_until, blocked_until) VALUES (:source, 1, :end, 0)
      ON CONFLICT (source) DO UPDATE SET
        count = CASE WHEN counted_until > :now THEN count + 1 ELSE 1 END,
        counted_until = CASE WHEN counted_until > :now THEN min(counted_until, :end) ELSE :end END,
        blocked_until = min(blocked_until, :latest)
      RETURNING count, blocked_until`),
    forgive: db.prepare('UPDATE attempts SET count = count - 1 WHERE source = ? AND count > 0'),
    block: db.prepare(`
      INSERT INTO attempts (source, count, counted_until, blocked_until) VALUES (:source, 0, 0, :until)
      ON CONFLICT (source) DO UPDATE SET blocked_until = :until`),
    vouch: db.prepare(`
      INSERT INTO vouched (source, good_until) VALUES (?, ?)
      ON CONFLICT (source) DO UPDATE SET good_until = excluded.good_until`),
    vouched: db.prepare('SELECT good_until FROM vouched WHERE source = ?'),
    vouchedSize: db.prepare('SELECT count(*) AS sources FROM vouched'),
    pruneVouched: db.prepare(
      'DELETE FROM vouched WHERE source IN (SELECT source FROM vouched WHERE good_until <= ? LIMIT ?)',
    ),
    pruneVouchedFirst: db.prepare(
      'DELETE FROM vouched WHERE source IN (SELECT source FROM vouched ORDER BY good_until LIMIT ?)',
    ),
    size: db.prepare('SELECT count(*) AS sources FROM attempts'),
    pruneEnded: db.prepare(
      'DELETE FROM attempts WHERE source IN (SELECT source FROM attempts WHERE ends_at <= ? LIMIT ?)',
    ),
    pruneFirst: db.prepare(
      'DELETE FROM attempts WHERE source IN (SELECT source FROM attempts ORDER BY ends_at LIMIT ?)',
    ),
  };
}
