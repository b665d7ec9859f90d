// What the core needs of the world outside, as interfaces. Adapters live in `stores`, `secrets` and
// `record`; one contract suite a port runs against every adapter.
import type { KeyRecord, KeyState } from './key-record.ts';
import type { Outcome, Reason } from './reasons.ts';

/** Milliseconds since the epoch. */
export type Clock = () => number;

/** A store's answer to a look-up. That it could not be asked is a {@link StoreFault}, never `absent`. */
export type Found = KeyRecord | 'absent';

/** Where key records are kept. Every method may reject with a StoreFault. */
export interface KeyStore {
  /** The record that holds any of these digests. */
  findByDigest(digests: readonly string[]): Promise<Found>;
  get(id: string): Promise<Found>;
  /**
   * Writes a record in one atomic step: the record, its digests, and a line in the change feed. It is durable
   * when the promise resolves. `'conflict'`: the id exists (`expected` 0) or its revision is not `expected`,
   * or another key holds one of its digests; nothing was written.
   */
  save(record: KeyRecord, expected: number): Promise<'saved' | 'conflict'>;
  /** All records, in id order or any other, in batches; what changes meanwhile may or may not be seen. */
  list(filter?: { readonly owner?: string }): AsyncIterable<KeyRecord>;
  /** How many keys are in each state, without reading every record. A declared key's expiry in the configuration is not known here. */
  countByState(nowMs: number): Promise<Readonly<Record<KeyState, number>>>;
}

export type LimitAlgorithm = 'sliding' | 'fixed' | 'bucket';

/** One limit that a request has to fit. */
export interface LimitDemand {
  /** What is counted: stable text of `[A-Za-z0-9%._~!'()*:/-]`, the same on every gateway. */
  readonly id: string;
  readonly algorithm: LimitAlgorithm;
  /** Admissions a period. */
  readonly requests: number;
  /** Period, ms, at least 1000. */
  readonly periodMs: number;
  /** `bucket`: how many may pass at once. */
  readonly burst: number;
  /** How many admissions this request takes. */
  readonly cost: number;
}

/** A seat that a request holds while it is under way. */
export interface SeatDemand {
  readonly id: string;
  /** Seats there are. */
  readonly limit: number;
  /** Names this request among all gateways'. */
  readonly token: string;
}

export interface LimitState {
  /** Whole admissions left after this take. */
  readonly remaining: number;
  /** Ms until the demand would fit, if it did not; else until the limit is as it was at the start of its period. */
  readonly resetMs: number;
  readonly isViolated: boolean;
}

export interface Taken {
  /** False: nothing was taken of any limit and no seat. */
  readonly isAdmitted: boolean;
  /** One a demand, in their order. */
  readonly limits: readonly LimitState[];
  readonly isSeatRefused: boolean;
}

/** A demand that asks for more than its cost, to be spent later. `cost` may be 0: it then never refuses. */
export interface LeaseDemand extends LimitDemand {
  /** Further admissions asked for. */
  readonly ahead: number;
  /** What demand comes to, admissions a second: no more is granted than it spends before the grant lapses. */
  readonly pacePerS: number;
}

export interface LeaseState extends LimitState {
  /** Further admissions taken for the asker. */
  readonly granted: number;
  /** Ms until they lapse: spent before then, they count as if they had been taken one by one. */
  readonly lapseMs: number;
  /** The same on the store's clock, ms since the epoch. It names the window, or the step of a bucket. */
  readonly lapsesAt: number;
}

export interface Leased extends Taken {
  readonly limits: readonly LeaseState[];
}

/** Admissions that were granted and not spent: `cost` of them, of the window that `lapsesAt` names. */
export interface Unspent extends LimitDemand {
  readonly lapsesAt: number;
}

/** Where limits are counted. Every method may reject with a StoreFault. */
export interface LimitStore {
  /** Takes all demands or none, in one atomic step on the store's clock. */
  take(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken>;
  /**
   * Takes as {@link take} does and, if all was admitted, grants further admissions in the same step: of each
   * limit a small share of what is left, and none of one that is nearly used up.
   */
  lease(demands: readonly LeaseDemand[], seat?: SeatDemand): Promise<Leased>;
  /**
   * Gives back what was granted and not spent, where that lets nobody take more than if it had never been granted.
   * Not to be repeated, not even after a fault: what is given back twice is admitted twice.
   */
  giveBack(unspent: readonly Unspent[]): Promise<void>;
  /** What {@link take} would answer, taking nothing. */
  peek(demands: readonly LimitDemand[], seat?: SeatDemand): Promise<Taken>;
  /** Gives a seat back. Unknown tokens are no error. */
  release(id: string, token: string): Promise<void>;
  /** Extends the lease of seats still in use: `BOUNDS.concurrencyLeaseMs` from now. */
  renew(seats: readonly { readonly id: string; readonly token: string }[]): Promise<void>;
}

/** What the feed tells. `reset`: changes may have been missed; everything cached is to be forgotten. */
export type Change = { readonly kind: 'key'; readonly id: string } | { readonly kind: 'reset' };

/** Tells every gateway of every change, within 1 s. */
export interface ChangeFeed {
  /** Begins; `onChange` gets every change from here on. Resolves once the feed is live. */
  start(onChange: (change: Change) => void): Promise<void>;
  /** When the store was last heard from, on the clock the feed was given; 0 before the first time. */
  lastHeardMs(): number;
  stop(): Promise<void>;
}

/** How far a store's history was followed: what it still has to have, or it is another store or an older copy. */
export interface Lineage {
  /** The random name that the store got when it was first used; null until it could be written. */
  readonly epoch: string | null;
  /** Number of the last change that was seen; every change of a key advances it. 0: none. */
  readonly generation: number;
  /** Where the store keeps that change, and what it holds there: no two changes hold the same. Empty: none. */
  readonly at: string;
  readonly mark: string;
}

/** What a counter says of a source. */
export interface Attempts {
  /** Attempts in the window now, the one that was just counted with them. */
  readonly attempts: number;
  /** How long the source is still blocked, ms; 0 if it is not. */
  readonly blockedMs: number;
}

/** Failed attempts, shared by all gateways on the store. */
export interface AttemptCounter {
  /** Counts one attempt, in one step with a look at whether another gateway has blocked the source. */
  count(source: string): Promise<Attempts>;
  /** Takes one attempt back, because it was a good one. */
  forgive(source: string): Promise<void>;
  /** Blocks the source for all gateways. */
  block(source: string, blockMs: number): Promise<void>;
  /** Tells all gateways that a good key came from the source. */
  vouch(source: string, goodMs: number): Promise<void>;
  /** How long what {@link vouch} told is still believed, ms; 0 if it is not. */
  vouchedForMs(source: string): Promise<number>;
}

/** One opened store. */
export interface Store {
  readonly keys: KeyStore;
  readonly limits: LimitStore;
  readonly changes: ChangeFeed;
  /** How far the change feed has followed the store; undefined until it has seen it or was told. */
  lineage(): Lineage | undefined;
  /** Resolves once the change feed has seen the store for the first time and taken it as it is, if it ever does. */
  readonly taken: Promise<Lineage>;
  /** Opens a counter of failed attempts: at most `failures` in `perMs`. */
  attempts(options: { readonly failures: number; readonly perMs: number; readonly blockMs: number }): AttemptCounter;
  /** Resolves if the store answers in time. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Told of every store operation, for the metrics. */
export type StoreObserver = (operation: string, durationMs: number, isFault: boolean) => void;

/** All that is said of one request, once, when it has ended. */
export interface RequestRecord {
  readonly requestId: string;
  /** The trace id of `traceparent`, or null. */
  readonly traceId: string | null;
  /** Null where the request was refused before its client was known. */
  readonly client: string | null;
  readonly peer: string;
  /** Null where no route was found. */
  readonly route: string | null;
  readonly method: string;
  /** Canonical path without query, or null where there is none. Never has a key in it. */
  readonly path: string | null;
  /** What was answered; 499 where the client went away first. */
  readonly status: number;
  readonly outcome: Outcome;
  readonly reason: Reason;
  readonly keyId: string | null;
  readonly owner: string | null;
  readonly missing: readonly string[] | null;
  /** Names of the limits that were used up. */
  readonly violated: readonly string[] | null;
  /** From the request's head to the end of the answer, ms. */
  readonly durationMs: number;
  /** Of that, spent in the gateway itself, ms. */
  readonly overheadMs: number;
  /** To the first byte of the upstream's answer, ms; null where nothing was forwarded. */
  readonly upstreamMs: number | null;
  readonly upstream: string | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly userAgent: string | null;
  /** A word on what was wrong, for the log only. */
  readonly detail: string | null;
  /** Limits whose remaining admissions fell below a tenth, for the near-limit panel. */
  readonly nearLimits: readonly string[] | null;
}

/** Told of every request: that it began, and exactly once how it ended. */
export interface Recorder {
  began(): void;
  ended(record: RequestRecord): void;
}
