// The change feed on SQLite: a connection of its own looks at `PRAGMA data_version`, which moves with every
// commit of any other connection, this process's too, and then reads the log of changes on.
import { BOUNDS } from '../core/bounds.ts';
import type { Change, ChangeFeed, Clock, Lineage } from '../core/ports.ts';
import type { KnownStore } from './known-store.ts';
import { BEFORE_ALL } from './lineage.ts';
import { sqliteCure } from './sqlite-cures.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { changeAt, type Row, seeAnew, SqliteHistory } from './sqlite-history.ts';
import type { Warn } from './settings.ts';

const READ_AT_ONCE = 1_000;

export class SqliteChanges implements ChangeFeed {
  readonly #db: SqliteDatabase;
  readonly #clock: Clock;
  readonly #known: KnownStore;
  readonly #warn: Warn;
  readonly #history: SqliteHistory;
  readonly #sql: ReturnType<typeof statements>;
  #onChange: (change: Change) => void = () => {};
  #version: unknown;
  #stamp: string | undefined;
  #heardMs = 0;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param db a connection that nothing else uses */
  constructor(db: SqliteDatabase, known: KnownStore, clock: Clock, warn: Warn) {
    this.#db = db;
    this.#known = known;
    this.#clock = clock;
    this.#warn = warn;
    this.#history = new SqliteHistory(db);
    this.#sql = statements(db);
  }

  start(onChange: (change: Change) => void): Promise<void> {
    this.#onChange = onChange;
    const askedMs = this.#clock();
    if (this.#begin()) this.#heardMs = askedMs;
    this.#timer = setInterval(() => this.#look(), BOUNDS.changePollMs).unref();
    return Promise.resolve();
  }

  lastHeardMs(): number {
    return this.#heardMs;
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return Promise.resolve();
  }

  #look(): void {
    try {
      const askedMs = this.#clock();
      if (this.#isFailing || this.#known.doubt !== undefined ? this.#startOver() : this.#readOn())
        this.#heardMs = askedMs;
    } catch (error) {
      if (!this.#isFailing)
        this.#warn('The change feed cannot be read; trying until it can', {
          file: this.#db.file,
          error: error instanceof Error ? error.message : String(error),
          cure: sqliteCure(error) ?? null,
        });
      this.#isFailing = true;
    }
  }

  /** Reads what is new; true if the store is the known one. */
  #readOn(): boolean {
    const version = this.#sql.version.get()?.['data_version'];
    if (version === this.#version) return this.#isUntouched() || this.#isKnown();
    for (let rows = this.#read(); rows.length > 0; rows = this.#read()) {
      // To forget a key is never wrong. That the file is the known one still is looked at behind it.
      const last = this.#pass(rows);
      if (!this.#isKnown()) return false;
      this.#known.advance(last);
    }
    if (!this.#isKnown()) return false;
    this.#version = version;
    return true;
  }

  #read() {
    return this.#sql.after.all(this.#lastSeen(), READ_AT_ONCE);
  }

  #lastSeen(): number {
    return this.#known.lineage?.generation ?? 0;
  }

  /** Tells the changes, and gives the last one. */
  #pass(rows: readonly Row[]): Omit<Lineage, 'epoch'> {
    let before: Omit<Lineage, 'epoch'> = this.#known.lineage ?? BEFORE_ALL;
    for (const row of rows) {
      const change = changeAt(row);
      const isNext = change.generation === before.generation + 1;
      before = change;
      this.#onChange(isNext ? { kind: 'key', id: String(row['key_id']) } : { kind: 'reset' });
    }
    return before;
  }

  /** Takes up the log at its end, if the store is the known one. */
  #begin(): boolean {
    if (!this.#isKnown()) return false;
    this.#version = undefined;
    this.#known.advance(this.#history.see(undefined).last ?? BEFORE_ALL);
    return true;
  }

  #startOver(): boolean {
    if (!this.#begin()) return false;
    this.#isFailing = false;
    this.#onChange({ kind: 'reset' });
    return true;
  }

  /** Nobody has written to the file, and it is where it was. */
  #isUntouched(): boolean {
    return this.#db.isInPlace && this.#db.stamp() === this.#stamp;
  }

  /** Looks at the file as it is now, and anew where somebody has written to it past the log. */
  #isKnown(): boolean {
    const { file } = this.#db;
    if (!this.#db.isInPlace) return this.#isDistrusted(`${file} was removed or replaced while it was open`);
    const stamp = this.#db.stamp();
    if (stamp !== this.#stamp) {
      const sight = seeAnew(file, this.#known.lineage);
      if (sight === undefined) return this.#isDistrusted(`${file} was written over while it was open`);
      if (!this.#known.judge(sight)) return false;
    }
    if (!this.#known.judge(this.#history.see(this.#known.lineage))) return false;
    this.#stamp = stamp;
    return true;
  }

  #isDistrusted(clause: string): false {
    this.#known.distrust(clause);
    return false;
  }
}

function statements(db: SqliteDatabase) {
  return {
    version: db.prepare('PRAGMA data_version'),
    after: db.prepare('SELECT seq, key_id, mark FROM changes WHERE seq > ? ORDER BY seq LIMIT ?'),
  };
}
