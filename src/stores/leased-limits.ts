// Limits with leases: what this gateway holds of a limit it spends without asking, and without a promise. The store
// grants only what it has counted, and what is held is spent only in the window it was counted in, so the sum over
// all gateways is what takes one by one would have admitted (docs/limits.md).
import { BOUNDS } from '../core/bounds.ts';
import type { LeaseDemand, LimitDemand, LimitState, LimitStore, SeatDemand, Taken, Unspent } from '../core/ports.ts';
import { LeaseTable } from './lease-table.ts';
import type { Lease } from './lease.ts';

type Leases = readonly (Lease | undefined)[];

/** A demand that the store is asked for. */
interface Question {
  readonly demand: LeaseDemand;
  readonly lease: Lease | undefined;
}

/** What was paid from a lease for a request that is not decided yet. */
interface Payment {
  readonly lease: Lease;
  readonly cost: number;
  readonly window: number;
}

interface LeasedLimitsOptions {
  /** Ms that pass steadily, whatever the clock is set to. */
  readonly now?: () => number;
  /** Acts again and again; returns what ends it. */
  readonly repeat?: (act: () => void, everyMs: number) => () => void;
  readonly table?: LeaseTable;
}

export class LeasedLimits {
  readonly #store: LimitStore;
  readonly #now: () => number;
  readonly #repeat: (act: () => void, everyMs: number) => () => void;
  readonly #table: LeaseTable;
  /** The leases of demands that were seen before, by the very array. */
  readonly #leasesOf = new WeakMap<readonly LimitDemand[], readonly Lease[]>();
  /** Questions under way that nobody waits for. */
  readonly #refills = new Set<Promise<unknown>>();
  #unspent: Unspent[] = [];
  #stopSweeping: (() => void) | undefined;

  constructor(store: LimitStore, { now, repeat, table }: LeasedLimitsOptions = {}) {
    this.#store = store;
    this.#now = now ?? (() => performance.now());
    this.#repeat = repeat ?? repeatUnawaited;
    this.#table = table ?? new LeaseTable();
  }

  /**
   * Takes all demands or none, as the store does; at once where all of them are held. The same array for
   * requests alike is found without a look-up.
   * @throws {StoreFault} (rejects) where the store has to be asked and cannot
   */
  take(demands: readonly LimitDemand[], seat?: SeatDemand): Taken | Promise<Taken> {
    const now = this.#now();
    const leases = this.#leasesOf.get(demands);
    if (leases !== undefined && seat === undefined && coversAll(leases, demands, now))
      return this.#spend(leases, demands, now);
    return this.#decide(demands, seat, now);
  }

  /** Gives back all that is held. */
  async close(): Promise<void> {
    await Promise.all(this.#refills);
    await this.#sweep(true);
    this.#stopSweeping?.();
  }

  #spend(leases: readonly Lease[], demands: readonly LimitDemand[], now: number): Taken {
    let isLow = false;
    const limits = leases.map((lease, at) => {
      lease.spend(demands[at]!.cost, now);
      if (lease.isLow) isLow = true;
      return lease.state(now);
    });
    if (isLow) this.#refill(leases, now);
    return { isAdmitted: true, isSeatRefused: false, limits };
  }

  #decide(demands: readonly LimitDemand[], seat: SeatDemand | undefined, now: number): Taken | Promise<Taken> {
    const leases = this.#find(demands, now);
    const refused = refusal(leases, demands, now);
    if (refused) return refused;
    if (seat === undefined && isWhole(leases) && coversAll(leases, demands, now))
      return this.#spend(leases, demands, now);
    return this.#ask(demands, leases, seat, now);
  }

  #find(demands: readonly LimitDemand[], now: number): Leases {
    const known = this.#leasesOf.get(demands);
    if (known?.every((lease) => !lease.isForgotten)) return known;
    const leases = demands.map((demand) =>
      this.#table.find(demand, now, (evicted) => this.#keep(evicted.retire(now, true))),
    );
    if (this.#table.size > 0) this.#stopSweeping ??= this.#repeat(() => void this.#sweep(false), BOUNDS.leaseSweepMs);
    if (!isWhole(leases)) return leases;
    // One subject named twice would be paid for twice out of what was looked at once.
    if (new Set(leases).size < leases.length) return demands.map(() => undefined);
    this.#leasesOf.set(demands, leases);
    return leases;
  }

  /** Pays what is held, and takes the rest from the store in one step, which asks ahead too. */
  async #ask(demands: readonly LimitDemand[], leases: Leases, seat: SeatDemand | undefined, now: number) {
    const payments: (Payment | undefined)[] = [];
    const questions: Question[] = [];
    const refills: Question[] = [];
    for (const [at, demand] of demands.entries()) {
      const lease = leases[at];
      if (lease?.covers(demand.cost, now)) {
        lease.spend(demand.cost, now);
        payments.push({ lease, cost: demand.cost, window: lease.window });
        const more = lease.isLow ? lease.refill(now) : undefined;
        if (more) refills.push({ demand: more, lease });
      } else {
        this.#keep(lease?.retire(now, false));
        payments.push(undefined);
        questions.push({ demand: lease?.demand(demand.cost, now) ?? { ...demand, ahead: 0, pacePerS: 0 }, lease });
      }
    }
    let taken: Taken;
    try {
      taken = await this.#put([...questions, ...refills], seat, now);
    } catch (fault) {
      this.#refund(payments);
      throw fault;
    }
    if (!taken.isAdmitted) this.#refund(payments);
    const answeredAt = this.#now();
    let answered = 0;
    const limits = payments.map((payment) => {
      if (payment) return payment.lease.state(answeredAt);
      const state = taken.limits[answered]!;
      return questions[answered++]!.lease?.stateBy(state, answeredAt) ?? state;
    });
    return { isAdmitted: taken.isAdmitted, isSeatRefused: taken.isSeatRefused, limits };
  }

  /** Asks for more before what is held runs out. Nobody waits for it, and a fault is nobody's answer. */
  #refill(leases: readonly Lease[], now: number): void {
    const questions: Question[] = [];
    for (const lease of leases) {
      const demand = lease.refill(now);
      if (demand) questions.push({ demand, lease });
    }
    if (questions.length === 0) return;
    const refill = this.#put(questions, undefined, now)
      .catch(() => undefined)
      .finally(() => this.#refills.delete(refill));
    this.#refills.add(refill);
  }

  /** Asks the store, and lets the leases learn what it says. */
  async #put(questions: readonly Question[], seat: SeatDemand | undefined, sentAt: number): Promise<Taken> {
    const demands = questions.map(({ demand }) => demand);
    const isAhead = demands.some(({ ahead }) => ahead > 0);
    let taken: Taken;
    try {
      taken = await (isAhead ? this.#store.lease(demands, seat) : this.#store.take(demands, seat));
    } catch (fault) {
      for (const { demand, lease } of questions) lease?.failed(demand, this.#now());
      throw fault;
    }
    const now = this.#now();
    for (const [at, { demand, lease }] of questions.entries())
      this.#keep(lease?.learn(demand, taken.limits[at]!, taken.isAdmitted, sentAt, now));
    return taken;
  }

  #refund(payments: readonly (Payment | undefined)[]): void {
    const now = this.#now();
    for (const payment of payments) if (payment) this.#keep(payment.lease.refund(payment.cost, payment.window, now));
  }

  /** Keeps what is to be given back for the next sweep. What is too much lapses with its window. */
  #keep(unspent: Unspent | undefined): void {
    if (unspent && this.#unspent.length < BOUNDS.leases) this.#unspent.push(unspent);
  }

  /** Never asked twice: whether a fault gave back or not, what is not spent cannot be admitted too often. */
  async #giveBack(): Promise<void> {
    const unspent = this.#unspent;
    this.#unspent = [];
    for (let from = 0; from < unspent.length; from += BOUNDS.leasesGivenBackAtOnce)
      await this.#store.giveBack(unspent.slice(from, from + BOUNDS.leasesGivenBackAtOnce)).catch(() => undefined);
  }

  /** Hands back what has lapsed or is idle, or all of it, and forgets whom nobody asks for. */
  #sweep(isEnding: boolean): Promise<void> {
    const now = this.#now();
    this.#table.sweep(now, (lease) => this.#keep(lease.retire(now, isEnding)));
    if (this.#table.size === 0 && this.#unspent.length === 0) {
      this.#stopSweeping?.();
      this.#stopSweeping = undefined;
    }
    return this.#giveBack();
  }
}

/** A timer that keeps no process alive. */
function repeatUnawaited(act: () => void, everyMs: number): () => void {
  const timer = setInterval(act, everyMs).unref();
  return () => clearInterval(timer);
}

function coversAll(leases: readonly Lease[], demands: readonly LimitDemand[], now: number): boolean {
  for (let at = 0; at < leases.length; at++) if (!leases[at]!.covers(demands[at]!.cost, now)) return false;
  return true;
}

function isWhole(leases: Leases): leases is readonly Lease[] {
  return !leases.includes(undefined);
}

/** The answer to a request of which the store would say what it said a moment ago: one that surely does not fit yet. */
function refusal(leases: Leases, demands: readonly LimitDemand[], now: number): Taken | undefined {
  let isRefused = false;
  const limits: LimitState[] = [];
  for (const [at, { cost }] of demands.entries()) {
    const lease = leases[at];
    if (!lease) return undefined;
    const refused = lease.covers(cost, now) ? undefined : lease.refusal(cost, now);
    const state = refused ?? lease.state(now);
    // Whether this one fits only the store can say.
    if (!refused && state.remaining < cost) return undefined;
    isRefused ||= refused !== undefined;
    limits.push(state);
  }
  return isRefused ? { isAdmitted: false, isSeatRefused: false, limits } : undefined;
}
