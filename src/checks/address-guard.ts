// The guard's memory: failed attempts by source prefix, counted before any look-up and shared through the
// store, and which sources recently showed a good key.
import { BOUNDS } from '../core/bounds.ts';
import type { GuardRule } from '../core/policy.ts';
import type { AttemptCounter, Clock } from '../core/ports.ts';
import { type GuardNews, type GuardTeller, NOBODY } from './guard-news.ts';

/** How long a source is to be refused, ms; 0 where it may go on. */
export type RefusalMs = number;

export interface Attempt<T> {
  readonly found: T | undefined;
  readonly refusedMs: RefusalMs;
}

export class AddressGuard {
  readonly #rule: GuardRule;
  readonly #shared: AttemptCounter;
  readonly #now: Clock;
  readonly #others: GuardTeller;
  readonly #blockedUntil = new BoundedMap<number>(BOUNDS.guardSources);
  readonly #goodUntil = new BoundedMap<number>(BOUNDS.guardSources);
  readonly #goodToldAt = new BoundedMap<number>(BOUNDS.guardSources);
  readonly #failures = new BoundedMap<{ count: number; until: number }>(BOUNDS.guardSources);
  /** Look-ups under way by source; each may yet turn out to be no failure. */
  readonly #pending = new Map<string, Set<Promise<void>>>();

  /** @param others told of what the other processes of this gateway should {@link hear} */
  constructor(rule: GuardRule, shared: AttemptCounter, now: Clock, others: GuardTeller = NOBODY) {
    this.#rule = rule;
    this.#shared = shared;
    this.#now = now;
    this.#others = others;
  }

  /** Takes in what another process of this gateway has met. */
  hear({ failed, blocked, passed }: GuardNews): void {
    for (const source of passed) this.#goodUntil.set(source, this.#now() + this.#rule.blockMs);
    for (const [source, untilMs] of blocked)
      if (!this.isKnownGood(source) && untilMs > this.#now()) this.#blockedUntil.set(source, untilMs);
    for (const [source, count] of failed) {
      const undecided = this.#pending.get(source)?.size ?? 0;
      const isOver = this.#count(source, count) - undecided >= this.#rule.failures;
      if (isOver && !this.isKnownGood(source) && this.blockedForMs(source) === 0)
        this.#blockedUntil.set(source, this.#now() + this.#rule.blockMs);
    }
  }

  /** How long the source is still blocked, ms; 0 if it is not. Asks nobody. */
  blockedForMs(source: string): RefusalMs {
    const until = this.#blockedUntil.get(source);
    return until === undefined ? 0 : Math.max(0, until - this.#now());
  }

  /** Whether a good key came from the source lately: then others' failures do not block it. */
  isKnownGood(source: string): boolean {
    return (this.#goodUntil.get(source) ?? 0) > this.#now();
  }

  /** Notes a good key. */
  passed(source: string): void {
    const now = this.#now();
    // Refreshed at most once a second: this is on every request's way.
    const until = now + this.#rule.blockMs;
    const known = this.#goodUntil.get(source) ?? 0;
    if (known >= until - 1_000) return;
    this.#goodUntil.set(source, until);
    this.#tellPassed(source, now);
  }

  /** Counts a failure that needed no look-up; returns for how long the source is refused from now on. */
  failed(source: string): RefusalMs {
    const count = this.#count(source);
    this.#others.failed(source);
    const refusedMs = count >= this.#rule.failures ? this.#block(source) : 0;
    // The last failure that is granted is answered as such; the block begins behind it.
    return count > this.#rule.failures ? refusedMs : 0;
  }

  /**
   * Counts an attempt before the key is looked up, then looks it up, then takes the attempt back if it was good.
   * `refusedMs` above 0: the source has no attempts left. Then `found` is undefined, or what was found for a
   * source with a recent good key, whose bad attempts are answered as blocked and whose good ones pass.
   */
  async attempt<T>(source: string, lookUp: () => Promise<T>, isGood: (found: T) => boolean): Promise<Attempt<T>> {
    for (let looks = 0; ;) {
      const undecided = this.#pending.get(source)?.size ?? 0;
      const count = Math.max(this.#count(source), await this.#shared.count(source));
      const isOver = count > this.#rule.failures;
      if (!isOver || this.isKnownGood(source)) {
        const found = await this.#lookUp(source, lookUp, isGood);
        if (!isGood(found)) {
          this.#others.failed(source);
          this.#blockBehind(source, count - undecided);
        }
        return { found, refusedMs: isOver ? this.#rule.blockMs : 0 };
      }
      const blockedMs = this.blockedForMs(source);
      if (blockedMs > 0) return { found: undefined, refusedMs: blockedMs };
      const sharedMs = await this.#sharedBlock(source);
      if (sharedMs > 0) return { found: undefined, refusedMs: sharedMs };
      const pending = this.#pending.get(source);
      if (!pending && looks >= LOOKS_AT_OTHERS) return { found: undefined, refusedMs: this.#block(source) };
      // Some of those counted are still being looked up, here or by others: a crowd of good keys behind one
      // address is no attack.
      const someSettled = pending ? Promise.race(pending) : elapsed(LOOK_AGAIN_MS);
      await this.#forgive(source);
      await someSettled;
      if (!pending) looks++;
    }
  }

  async #lookUp<T>(source: string, lookUp: () => Promise<T>, isGood: (found: T) => boolean): Promise<T> {
    const settled = Promise.withResolvers<void>();
    const pending = this.#pending.get(source) ?? new Set();
    this.#pending.set(source, pending.add(settled.promise));
    let isForgiven = true;
    try {
      const found = await lookUp();
      isForgiven = isGood(found);
      return found;
    } finally {
      // A store that did not answer says nothing about the key.
      if (isForgiven) await this.#forgive(source);
      pending.delete(settled.promise);
      if (pending.size === 0) this.#pending.delete(source);
      settled.resolve();
    }
  }

  #count(source: string, failures = 1): number {
    const now = this.#now();
    const window = this.#failures.get(source);
    if (window && window.until > now) return (window.count += failures);
    this.#failures.set(source, { count: failures, until: now + this.#rule.perMs });
    return failures;
  }

  /** Twice in the time that it is believed. */
  #tellPassed(source: string, now: number): void {
    if ((this.#goodToldAt.get(source) ?? -Infinity) > now - this.#rule.blockMs / 2) return;
    this.#goodToldAt.set(source, now);
    this.#others.passed(source);
  }

  async #forgive(source: string): Promise<void> {
    const window = this.#failures.get(source);
    if (window && window.count > 0) window.count--;
    await this.#shared.forgive(source);
  }

  /** Blocks the source once it has had its failures; those still being looked up are not counted. */
  #blockBehind(source: string, counted: number): void {
    const undecided = this.#pending.get(source)?.size ?? 0;
    const failures = Math.max(counted, (this.#failures.get(source)?.count ?? 0) - undecided);
    if (failures >= this.#rule.failures) this.#block(source);
  }

  /** Blocks the source, unless a good key came from it lately: then it is only this attempt that is refused. */
  #block(source: string): RefusalMs {
    if (this.isKnownGood(source)) return this.#rule.blockMs;
    if (this.blockedForMs(source) === 0) {
      this.#blockedUntil.set(source, this.#now() + this.#rule.blockMs);
      this.#others.blocked(source, this.#now() + this.#rule.blockMs);
      void this.#shared.block(source, this.#rule.blockMs).catch(() => undefined);
    }
    return this.blockedForMs(source);
  }

  /** Takes over the block by another gateway; 0 if there is none. */
  async #sharedBlock(source: string): Promise<RefusalMs> {
    const blockedMs = await this.#shared.blockedForMs(source);
    if (blockedMs > 0) this.#blockedUntil.set(source, this.#now() + blockedMs);
    return blockedMs;
  }
}

/** How often, and after which pause in ms, attempts that others have counted are looked at again before they count as failures. */
const LOOKS_AT_OTHERS = 10;
const LOOK_AGAIN_MS = 25;

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Forgets what was set longest ago when it is full. */
class BoundedMap<T> {
  readonly #entries = new Map<string, T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: T): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#most) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, value);
  }
}
