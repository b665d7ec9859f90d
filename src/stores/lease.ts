// What this gateway holds of one subject under one limit: admissions that the store has counted and granted until
// they lapse, and what it last said is left besides.
import { BOUNDS } from '../core/bounds.ts';
import type { LeaseDemand, LeaseState, LimitDemand, LimitState, Unspent } from '../core/ports.ts';
import { LotSize } from './lot-size.ts';

/** By how much, of a time, our clock may have gone wrong against the store's; and what both leave out by rounding, ms. */
const DRIFT = 0.001;
const ROUNDING_MS = 1;

export class Lease {
  /** No longer in the table: nothing is granted to it any more. */
  isForgotten = false;
  readonly #rule: LimitDemand;
  readonly #lots: LotSize;
  /** Admissions to spend until `#lapsesAt`, which is `#turnsAt` or sooner: when the store's window surely has not ended. */
  #held = 0;
  #lapsesAt = 0;
  #turnsAt = 0;
  /** The window's end on the store's clock. */
  #window = 0;
  /** What the store said is left besides, and when; and how much of it others took between its last two answers. */
  #left: number | undefined;
  #learnedAt = 0;
  #takenByOthers = 0;
  #othersPerMs = 0;
  #resetsAt = 0;
  /** Until then, no demand of this cost or more fits. */
  #refusedUntil = 0;
  #refusedCost = Infinity;
  /** At or below, more is asked for in the background. */
  #lowWater = -1;
  #isAsking = false;
  #askNotBefore = 0;
  #usedAt: number;

  /**
   * @param rule what is counted; its cost means nothing
   * @param firstSeenAt when the subject was first demanded
   */
  constructor(rule: LimitDemand, firstSeenAt: number, now: number) {
    this.#rule = rule;
    this.#lots = new LotSize(firstSeenAt, rule.requests);
    this.#usedAt = now;
  }

  covers(cost: number, now: number): boolean {
    return this.#held >= cost && now < this.#lapsesAt;
  }

  /** Spends what {@link covers} said is there. */
  spend(cost: number, now: number): void {
    this.#held -= cost;
    this.#lots.demanded(cost);
    this.#usedAt = now;
  }

  /** Takes back what was spent on a request that was not admitted. What has lapsed meanwhile is handed back. */
  refund(cost: number, window: number, now: number): Unspent | undefined {
    this.#lots.demanded(-cost);
    if (window !== this.#window || now >= this.#lapsesAt) return this.#unspent(cost, window);
    this.#held += cost;
    return undefined;
  }

  /** The window that what is held belongs to. */
  get window(): number {
    return this.#window;
  }

  get isLow(): boolean {
    return this.#held <= this.#lowWater;
  }

  /** Where the limit stands, not better than it does: others are taken to go on as they did. */
  state(now: number): LimitState {
    const byOthers = Math.max(this.#takenByOthers, Math.ceil(this.#othersPerMs * (now - this.#learnedAt)));
    const left = Math.max(0, (this.#left ?? 0) - byOthers);
    return { remaining: left + this.#spendable(now), resetMs: Math.max(0, this.#resetsAt - now), isViolated: false };
  }

  /** Where it stands by an answer of the store that has just been learned. */
  stateBy({ remaining, resetMs, isViolated }: LimitState, now: number): LimitState {
    return { remaining: remaining + this.#spendable(now), resetMs, isViolated };
  }

  /** What a demand is told that surely does not fit now, by what the store said a moment ago. */
  refusal(cost: number, now: number): LimitState | undefined {
    if (now >= this.#refusedUntil || cost < this.#refusedCost) return undefined;
    this.#usedAt = now;
    return { ...this.state(now), isViolated: true };
  }

  /** Notes a demand that the store is asked for, and what to ask it for ahead. */
  demand(cost: number, now: number): LeaseDemand {
    this.#lots.demanded(cost);
    this.#lots.costs(cost);
    this.#usedAt = now;
    return this.#asking(cost, now, this.#mayAsk(now));
  }

  /** A demand for more alone, if it is time. */
  refill(now: number): LeaseDemand | undefined {
    if (this.#held > 2 * this.#lowWater || !this.#mayAsk(now)) return undefined;
    const demand = this.#asking(0, now, true);
    if (demand.ahead > 0) return demand;
    this.#lowWater = Math.floor(this.#held / 2);
    return undefined;
  }

  /** Takes in what the store answered to `asked`. Admissions of a window that has ended are handed back. */
  learn(
    asked: LeaseDemand,
    state: LimitState | LeaseState,
    isAdmitted: boolean,
    sentAt: number,
    now: number,
  ): Unspent | undefined {
    const granted = 'granted' in state ? state.granted : 0;
    const expected = (this.#left ?? 0) - (isAdmitted ? asked.cost + granted : 0);
    this.#takenByOthers = Math.max(0, expected - state.remaining);
    this.#othersPerMs = this.#takenByOthers / Math.max(1, now - this.#learnedAt);
    this.#learnedAt = now;
    this.#left = state.remaining;
    this.#resetsAt = now + state.resetMs;
    this.#refusedUntil = 0;
    if (state.isViolated) {
      this.#refusedUntil = sentAt + Math.min(surely(state.resetMs), BOUNDS.leaseRefusalMs);
      this.#refusedCost = asked.cost;
    }
    const ended = 'granted' in state ? this.#accept(state, sentAt) : undefined;
    if (asked.ahead > 0) {
      this.#isAsking = false;
      this.#lowWater = granted > 0 ? Math.ceil(this.#held / 4) : -1;
    }
    return ended;
  }

  /** The store could not be asked. */
  failed(asked: LeaseDemand, now: number): void {
    if (asked.ahead === 0) return;
    this.#isAsking = false;
    this.#askNotBefore = now + BOUNDS.leaseRetryMs;
  }

  /** What is no longer to be spent here: it has lapsed, nobody asked for it in a while, or all `isEnding`. */
  retire(now: number, isEnding: boolean): Unspent | undefined {
    const isIdle = now - this.#usedAt >= BOUNDS.leaseIdleMs && !this.#isAsking;
    return isEnding || isIdle || now >= this.#lapsesAt ? this.#drop(now >= this.#turnsAt) : undefined;
  }

  /** Whether nothing would be lost by forgetting it. */
  isForgettable(now: number): boolean {
    return this.#held === 0 && !this.#isAsking && now - this.#usedAt >= BOUNDS.leaseForgottenMs;
  }

  isInUse(now: number): boolean {
    return this.#isAsking || now - this.#usedAt < BOUNDS.leaseIdleMs;
  }

  #mayAsk(now: number): boolean {
    return !this.#isAsking && now >= this.#askNotBefore;
  }

  #asking(cost: number, now: number, mayAsk: boolean): LeaseDemand {
    const plain = { ...this.#rule, cost, ahead: 0, pacePerS: 0 };
    if (!mayAsk) return plain;
    const lot = this.#lots.next(now);
    const held = this.#spendable(now);
    const untilTurn = held > 0 ? Math.ceil((lot.pacePerS * (this.#turnsAt - now)) / 1_000) : lot.size;
    const ahead = Math.min(lot.size, untilTurn) - held;
    if (ahead <= 0) return plain;
    this.#isAsking = true;
    this.#lots.asked(lot, now);
    return { ...plain, ahead, pacePerS: lot.pacePerS };
  }

  #accept({ granted, lapseMs, lapsesAt }: LeaseState, sentAt: number): Unspent | undefined {
    const isSame = lapsesAt === this.#window;
    const ended = isSame ? undefined : this.#drop(true);
    const turnsAt = sentAt + surely(lapseMs);
    const lapses = sentAt + surely(Math.min(lapseMs, BOUNDS.leaseMs));
    this.#window = lapsesAt;
    this.#turnsAt = isSame ? Math.max(this.#turnsAt, turnsAt) : turnsAt;
    this.#lapsesAt = isSame ? Math.max(this.#lapsesAt, lapses) : lapses;
    this.#held += granted;
    return ended;
  }

  #spendable(now: number): number {
    return now < this.#lapsesAt ? this.#held : 0;
  }

  /** Lets go of what is held. Of a window that is over it matters only where the next one weighs it. */
  #drop(isWindowOver: boolean): Unspent | undefined {
    const held = this.#held;
    this.#held = 0;
    const matters = held > 0 && !(isWindowOver && this.#rule.algorithm !== 'sliding');
    return matters ? this.#unspent(held, this.#window) : undefined;
  }

  #unspent(cost: number, lapsesAt: number): Unspent {
    return { ...this.#rule, cost, lapsesAt };
  }
}

/** A time that has surely not passed on the store's clock before it has on ours. */
function surely(ms: number): number {
  return ms * (1 - DRIFT) - ROUNDING_MS;
}
