// What a failure of SQLite asks of whoever reads of it: its own words name the cause, and rarely the cure.

/** Primary result codes, of sqlite.org/rescode.html. */
const CURES: ReadonlyMap<number, string> = new Map([
  [5, 'another process holds its lock: end what that process does with it, or try again'],
  [6, 'another process holds its lock: end what that process does with it, or try again'],
  [8, 'make the file and its directory writable for this user'],
  [10, 'see that its disk works and is not full'],
  [11, 'it is damaged: stop the gateway, put the last backup in its place, and start again'],
  [13, 'its disk is full: make room'],
  [14, 'see that its directory is there and is writable for this user'],
  [26, 'it is damaged or no database: put the last backup in its place, or give store.url another path'],
]);

/** The cure, without a full stop; undefined where nothing is known of the failure. */
export function sqliteCure(error: unknown): string | undefined {
  const code = sqliteCode(error);
  return code === undefined ? undefined : CURES.get(code);
}

/** The primary result code of a failure; undefined where SQLite did not fail. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}
