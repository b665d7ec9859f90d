// Limits in SQLite, in a file beside the keys', so that counting never waits for a key to reach the disk. The
// write lock makes a take one atomic step among all processes that share the file.
import { BOUNDS } from '../core/bounds.ts';
import type {
  Clock,
  LeaseDemand,
  Leased,
  LimitDemand,
  LimitStore,
  SeatDemand,
  StoreObserver,
  Taken,
  Unspent,
} from '../core/ports.ts';
import { giveBack, weigh, type Counts, type Weighed } from './limit-arithmetic.ts';
import { runOperation } from './operations.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

export const LIMITS_SCHEMA = `
CREATE TABLE limits (
  id TEXT PRIMARY KEY,
  anchor INTEGER NOT NULL,
  first INTEGER NOT NULL,
  second INTEGER NOT NULL,
  ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX limits_by_end ON limits (ends_at);
CREATE TABLE seats (
  id TEXT NOT NULL,
  token TEXT NOT NULL,
  ends_at INTEGER NOT NULL,
  PRIMARY KEY (id, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX seats_by_end ON seats (ends_at);
`;

/** Takes between two prunings, and rows that one pruning removes at most: more than takes can add meanwhile. */
const PRUNE_EVERY = 200;
const PRUNED_AT_ONCE = 2_000;

/** What is asked for ahead with each demand. */
type More = (at: number) => LeaseDemand | undefined;

export class SqliteLimits implements LimitStore {
  readonly #db: SqliteDatabase;
  readonly #clock: Clock;
  readonly #observe: StoreObserver;
  readonly #leaseMs: number;
  readonly #sql: ReturnType<typeof statements>;
  #takes = 0;

  /** @param leaseMs how long a seat is held without being renewed */
  constructor(db: SqliteDatabase, clock: Clock, observe: StoreObserver, leaseMs: number = BOUNDS.concurrencyLeaseMs) {
    this.#db = db;
    this.#clock = clock;
    this.#observe = observe;
    this.#leaseMs = leaseMs;
    this.#sql = statements(db);
  }

  take(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    return runOperation(this.#observe, 'take', () => this.#take(demands, seat, () => undefined));
  }

  lease(demands: readonly LeaseDemand[], seat?: SeatDemand): Promise<Leased> {
    return runOperation(this.#observe, 'lease', () => this.#take(demands, seat, (at) => demands[at]));
  }

  giveBack(unspent: readonly Unspent[]): Promise<void> {
    return runOperation(this.#observe, 'give_back', () =>
      this.#db.transaction(() => {
        const nowMs = this.#clock();
        for (const each of unspent) {
          const id = subject(each);
          const left = giveBack(each, this.#kept(id), nowMs);
          if (left) this.#sql.put.run(id, ...left.counts, nowMs + left.lifeMs);
        }
      }),
    );
  }

  peek(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    return runOperation(
      this.#observe,
      'peek',
      () => this.#weighAll(demands, seat, this.#clock(), () => undefined).taken,
    );
  }

  release(id: string, token: string): Promise<void> {
    return runOperation(this.#observe, 'release', () => {
      this.#db.transaction(() => this.#sql.dropSeat.run(id, token));
    });
  }

  renew(seats: readonly { readonly id: string; readonly token: string }[]): Promise<void> {
    if (seats.length === 0) return Promise.resolve();
    return runOperation(this.#observe, 'renew', () =>
      this.#db.transaction(() => {
        const endsAt = this.#clock() + this.#leaseMs;
        for (const { id, token } of seats) this.#sql.putSeat.run(id, token, endsAt);
      }),
    );
  }

  #take(demands: readonly LimitDemand[], seat: SeatDemand | undefined, more: More): Leased {
    return this.#db.transaction(() => {
      const nowMs = this.#clock();
      if (++this.#takes % PRUNE_EVERY === 0) this.#prune(nowMs);
      const { taken, weighed } = this.#weighAll(demands, seat, nowMs, more);
      if (!taken.isAdmitted) return taken;
      for (const [index, { taken: counts, lifeMs }] of weighed.entries()) {
        const demand = demands[index];
        if (demand && lifeMs > 0) this.#sql.put.run(subject(demand), ...counts, nowMs + lifeMs);
      }
      if (seat) this.#sql.putSeat.run(seat.id, seat.token, nowMs + this.#leaseMs);
      return taken;
    });
  }

  #weighAll(demands: readonly LimitDemand[], seat: SeatDemand | undefined, nowMs: number, more: More) {
    // Two demands of one subject see each other.
    const kept = new Map<string, Counts>();
    const weighed: Weighed[] = demands.map((demand, at) => {
      const id = subject(demand);
      const weighing = weigh(demand, kept.get(id) ?? this.#kept(id), nowMs, more(at));
      kept.set(id, weighing.taken);
      return weighing;
    });
    const isSeatRefused = seat !== undefined && !this.#hasSeat(seat, nowMs);
    const isAdmitted = !isSeatRefused && weighed.every(({ fits }) => fits);
    const limits = weighed.map(({ ifTaken, ifLeft }) => (isAdmitted ? ifTaken : ifLeft));
    return { weighed, taken: { isAdmitted, isSeatRefused, limits } satisfies Leased };
  }

  #kept(id: string): Counts | undefined {
    const row = this.#sql.get.get(id);
    return row && [Number(row['anchor']), Number(row['first']), Number(row['second'])];
  }

  #hasSeat({ id, token, limit }: SeatDemand, nowMs: number): boolean {
    if (this.#sql.seat.get(id, token)) return true;
    // A lease that reaches further than any given now is from before the clock jumped back.
    return Number(this.#sql.held.get(id, nowMs, nowMs + this.#leaseMs)?.['seats']) < limit;
  }

  #prune(nowMs: number): void {
    this.#sql.prune.run(nowMs, PRUNED_AT_ONCE);
    this.#sql.pruneSeats.run(nowMs, PRUNED_AT_ONCE);
  }
}

function subject({ algorithm, periodMs, id }: LimitDemand): string {
  return `${algorithm}:${periodMs}:${id}`;
}

function statements(db: SqliteDatabase) {
  return {
    get: db.prepare('SELECT anchor, first, second FROM limits WHERE id = ?'),
    put: db.prepare(`
      INSERT INTO limits (id, anchor, first, second, ends_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET anchor = excluded.anchor, first = excluded.first, second = excluded.second,
        ends_at = excluded.ends_at`),
    seat: db.prepare('SELECT 1 FROM seats WHERE id = ? AND token = ?'),
    held: db.prepare('SELECT count(*) AS seats FROM seats WHERE id = ? AND ends_at > ? AND ends_at <= ?'),
    putSeat: db.prepare(`
      INSERT INTO seats (id, token, ends_at) VALUES (?, ?, ?)
      ON CONFLICT (id, token) DO UPDATE SET ends_at = excluded.ends_at`),
    dropSeat: db.prepare('DELETE FROM seats WHERE id = ? AND token = ?'),
    prune: db.prepare('DELETE FROM limits WHERE id IN (SELECT id FROM limits WHERE ends_at <= ? LIMIT ?)'),
    pruneSeats: db.prepare(
      'DELETE FROM seats WHERE (id, token) IN (SELECT id, token FROM seats WHERE ends_at <= ? LIMIT ?)',
    ),
  };
}
