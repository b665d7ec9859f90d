// What a SQLite file shows of its history: its epoch, and its log of changes. The file marks each change itself, so that
// those which an earlier version of this program writes are marked, too.
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import type { Lineage } from '../core/ports.ts';
import type { Sight } from './lineage.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

/** Gives a file its epoch and its changes their marks, where they have none. Runs in a write transaction. */
export function nameHistory(db: DatabaseSync): void {
  if (db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'epoch'`).get() !== undefined) return;
  db.exec(`
    CREATE TABLE epoch (epoch TEXT NOT NULL) STRICT;
    INSERT INTO epoch VALUES (lower(hex(randomblob(16))));
    ALTER TABLE changes ADD COLUMN mark TEXT;
    CREATE TRIGGER changes_marked AFTER INSERT ON changes BEGIN
      UPDATE changes SET mark = lower(hex(randomblob(8))) WHERE seq = new.seq;
    END;
  `);
}

/** A row of the log of changes: `seq`, `key_id` and `mark`. */
export type Row = Record<string, SQLOutputValue>;

/** What a row says of the history. */
export function changeAt(row: Row): Omit<Lineage, 'epoch'> {
  const { seq, key_id: key, mark } = row;
  return { generation: Number(seq), at: String(seq), mark: `${String(key)} ${String(mark ?? '')}` };
}

/** Looks at the history of one file, as one connection sees it. */
export class SqliteHistory {
  readonly #see: ReturnType<DatabaseSync['prepare']>;

  constructor(db: Pick<SqliteDatabase, 'prepare'>) {
    this.#see = db.prepare(SEE);
  }

  see(known: Lineage | undefined): Sight {
    const row = this.#row(Number(known?.at ?? 0));
    const { epoch, oldest, seq, seen_key: seenKey } = row ?? {};
    return {
      epoch: typeof epoch === 'string' ? epoch : null,
      last: row && typeof seq === 'number' ? changeAt(row) : null,
      oldest: typeof oldest === 'number' ? oldest : null,
      markSeen:
        row && typeof seenKey === 'string'
          ? changeAt({ seq: null, key_id: seenKey, mark: row['seen_mark']! }).mark
          : null,
    };
  }

  #row(at: number): Row | undefined {
    try {
      return this.#see.get({ at });
    } catch (error) {
      if (errorCode(error) === SQLITE_ERROR) return undefined;
      throw error;
    }
  }
}

/**
 * Looks at what stands in the file just now: a connection that was open before may hold pages of what stood there.
 * Undefined if it is no database any more.
 */
export function seeAnew(file: string, known: Lineage | undefined): Sight | undefined {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return new SqliteHistory(db).see(known);
  } catch (error) {
    if (RUINED.has(errorCode(error))) return undefined;
    throw error;
  } finally {
    db.close();
  }
}

const SEE = `
SELECT epoch, oldest, last.seq, last.key_id, last.mark, seen.key_id AS seen_key, seen.mark AS seen_mark
FROM (SELECT (SELECT epoch FROM epoch) AS epoch, (SELECT min(seq) FROM changes) AS oldest) AS file
LEFT JOIN (SELECT * FROM changes ORDER BY seq DESC LIMIT 1) AS last
LEFT JOIN changes AS seen ON seen.seq = :at`;

/** No such table or column: what was put in the place of ours shows nothing. */
const SQLITE_ERROR = 1;
/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const RUINED: ReadonlySet<number | undefined> = new Set([11, 26]);

function errorCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined;
}
