// The change feed on SQLite: a connection of its own looks at `PRAGMA data_version`, which moves with every
// commit of any other connection, this process's too, and then reads the log of changes on.
import { BOUNDS } from '../core/bounds.ts';
import type { Change, ChangeFeed, Clock } from '../core/ports.ts';
import { sqliteCure } from './sqlite-cures.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import type { Warn } from './settings.ts';

const READ_AT_ONCE = 1_000;

export class SqliteChanges implements ChangeFeed {
  readonly #db: SqliteDatabase;
  readonly #clock: Clock;
  readonly #warn: Warn;
  readonly #sql: ReturnType<typeof statements>;
  #onChange: (change: Change) => void = () => {};
  #version: unknown;
  #last = 0;
  #heardMs = 0;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param db a connection that nothing else uses */
  constructor(db: SqliteDatabase, clock: Clock, warn: Warn) {
    this.#db = db;
    this.#clock = clock;
    this.#warn = warn;
    this.#sql = statements(db);
  }

  start(onChange: (change: Change) => void): Promise<void> {
    this.#onChange = onChange;
    this.#last = this.#end();
    this.#heardMs = this.#clock();
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
      this.#db.assertInPlace();
      if (this.#isFailing) this.#startOver();
      else this.#readOn();
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

  #readOn(): void {
    const version = this.#sql.version.get()?.['data_version'];
    if (version === this.#version) return;
    for (let rows = this.#read(); rows.length > 0; rows = this.#read()) {
      for (const row of rows) {
        const seq = Number(row['seq']);
        const isNext = seq === this.#last + 1;
        this.#last = seq;
        this.#onChange(isNext ? { kind: 'key', id: String(row['key_id']) } : { kind: 'reset' });
      }
    }
    this.#version = version;
  }

  #read() {
    return this.#sql.after.all(this.#last, READ_AT_ONCE);
  }

  #startOver(): void {
    this.#last = this.#end();
    this.#onChange({ kind: 'reset' });
    this.#isFailing = false;
  }

  #end(): number {
    return Number(this.#sql.end.get()?.['seq'] ?? 0);
  }
}

function statements(db: SqliteDatabase) {
  return {
    version: db.prepare('PRAGMA data_version'),
    after: db.prepare('SELECT seq, key_id FROM changes WHERE seq > ? ORDER BY seq LIMIT ?'),
    end: db.prepare('SELECT max(seq) AS seq FROM changes'),
  };
}
