// Gateways with leases on one limit store in virtual time: a real SqliteLimits on a clock that the test moves, behind
// connections that take their time, in order, each way. Gateways read clocks of their own that start anywhere
// and run a little wrong.
import type { LeaseDemand, Leased, LimitDemand, LimitStore, SeatDemand, Taken, Unspent } from '../../src/core/ports.ts';
import { StoreFault } from '../../src/core/fault.ts';
import { LeaseTable } from '../../src/stores/lease-table.ts';
import { LeasedLimits } from '../../src/stores/leased-limits.ts';
import { openDatabase } from '../../src/stores/sqlite-database.ts';
import { LIMITS_SCHEMA, SqliteLimits } from '../../src/stores/sqlite-limits.ts';
import { makeTempDir } from './temp-dir.ts';

/** Time that passes only when told to; what falls due is done in order. */
export class VirtualTime {
  nowMs: number;
  #due: { readonly atMs: number; readonly act: () => void }[] = [];

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  at(atMs: number, act: () => void): void {
    const place = this.#due.findLastIndex((other) => other.atMs <= atMs);
    this.#due.splice(place + 1, 0, { atMs, act });
  }

  readonly repeat = (act: () => void, everyMs: number): (() => void) => {
    let isOn = true;
    const again = (): void => {
      if (!isOn) return;
      act();
      this.at(this.nowMs + everyMs, again);
    };
    this.at(this.nowMs + everyMs, again);
    return () => {
      isOn = false;
    };
  };

  /** Moves on, doing what falls due, and lets everything that waited for it go on. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await settled();
    while (this.#due.length > 0 && this.#due[0]!.atMs <= untilMs) {
      const { atMs, act } = this.#due.shift()!;
      this.nowMs = Math.max(this.nowMs, atMs);
      act();
      await settled();
    }
    this.nowMs = untilMs;
  }
}

/** What one operation was, and when the store did it. */
export interface Operation {
  readonly kind: 'take' | 'lease' | 'give_back';
  readonly demands: readonly LimitDemand[];
  /** On the virtual clock; undefined until then. */
  executedAt?: number;
}

/** One gateway's connection to the store. */
export class Connection implements LimitStore {
  readonly operations: Operation[] = [];
  /** How long a question and its answer travel, ms. */
  delayMs: () => number = () => 0;
  isBroken = false;
  readonly #store: LimitStore;
  readonly #time: VirtualTime;
  #lastArrival = 0;
  #lastReturn = 0;

  constructor(store: LimitStore, time: VirtualTime) {
    this.#store = store;
    this.#time = time;
  }

  take(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken> {
    return this.#travel('take', demands, () => this.#store.take(demands, seat));
  }

  lease(demands: readonly LeaseDemand[], seat?: SeatDemand): Promise<Leased> {
    return this.#travel('lease', demands, () => this.#store.lease(demands, seat));
  }

  giveBack(unspent: readonly Unspent[]): Promise<void> {
    return this.#travel('give_back', unspent, () => this.#store.giveBack(unspent));
  }

  peek(demands: readonly LimitDemand[]): Promise<Taken> {
    return this.#store.peek(demands);
  }

  release(id: string, token: string): Promise<void> {
    return this.#store.release(id, token);
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }

  async #travel<T>(kind: Operation['kind'], demands: readonly LimitDemand[], act: () => Promise<T>): Promise<T> {
    const operation: Operation = { kind, demands };
    this.operations.push(operation);
    if (this.isBroken) throw new StoreFault(kind, 'the store is away');
    this.#lastArrival = Math.max(this.#lastArrival, this.#time.nowMs + this.delayMs());
    await this.#until(this.#lastArrival);
    operation.executedAt = this.#time.nowMs;
    const result = await act();
    this.#lastReturn = Math.max(this.#lastReturn, this.#time.nowMs + this.delayMs());
    await this.#until(this.#lastReturn);
    return result;
  }

  #until(atMs: number): Promise<void> | undefined {
    if (atMs <= this.#time.nowMs) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#time.at(atMs, resolve);
    return promise;
  }
}

export interface LeasingGateway {
  readonly limits: LeasedLimits;
  readonly connection: Connection;
  readonly table: LeaseTable;
}

/** A store in virtual time. `gateway` opens one more gateway on it. */
export async function leasingStore(startMs: number) {
  const time = new VirtualTime(startMs);
  const dir = await makeTempDir();
  const db = await openDatabase({
    file: dir.file('limits.db'),
    synchronous: 'NORMAL',
    timeoutMs: 1_000,
    schema: LIMITS_SCHEMA,
  });
  const store = new SqliteLimits(
    db,
    () => Math.floor(time.nowMs),
    () => {},
  );
  return {
    time,
    store,
    /** @param wrongness by which part of a time the gateway's clock runs fast, or slow */
    gateway({ wrongness = 0, leases = 100 } = {}): LeasingGateway {
      const connection = new Connection(store, time);
      const table = new LeaseTable(leases);
      const now = () => 77 + (time.nowMs - startMs) * (1 + wrongness);
      const limits = new LeasedLimits(connection, { now, repeat: time.repeat, table });
      return { limits, connection, table };
    },
    async dispose(): Promise<void> {
      db.close();
      await dir.remove();
    },
  };
}

/** Everything that can go on without time passing has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
