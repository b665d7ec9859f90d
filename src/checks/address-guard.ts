// The guard's memory: failed attempts by source prefix, counted before any look-up and shared through the
// store, and which sources recently showed a good key.
import type { GuardRule } from '../core/policy.ts';
import type { AttemptCounter, Clock } from '../core/ports.ts';
import { type GuardNews, type GuardTeller, NOBODY } from './guard-news.ts';
import { SourceLookUps } from './source-look-ups.ts';
import { SourceCounts, SourceTimes } from './source-times.ts';

/** How long a source is to be refused, ms; 0 where it may go on. */
export type RefusalMs = number;

export interface Attempt<T> {
  readonly found: T | undefined;
  readonly refusedMs: RefusalMs;
}

export class AddressGuard {
  #rule: GuardRule;
  #shared: AttemptCounter;
  readonly #now: Clock;
  readonly #others: GuardTeller;
  readonly #blockedUntil = new SourceTimes();
  readonly #goodUntil = new SourceTimes();
  readonly #goodToldAt = new SourceTimes();
  readonly #failures = new SourceCounts();
  /** Look-ups under way by source; each may yet turn out to be no failure. */
  readonly #pending = new SourceLookUps();
  /** Sources that are on their way to be blocked. */
  readonly #blocking = new Map<string, Promise<RefusalMs>>();

  /**
   * @param now ms that never go back: a clock that is set must not make a block end or last
   * @param others told of what the other processes of this gateway should {@link hear}
   */
  constructor(rule: GuardRule, shared: AttemptCounter, now: Clock, others: GuardTeller = NOBODY) {
    this.#rule = rule;
    this.#shared = shared;
    this.#now = now;
    this.#others = others;
  }

  /** Goes on under another rule; who is blocked stays so for the time that was said, and who is known stays known. */
  adopt(rule: GuardRule, shared: AttemptCounter): void {
    this.#rule = rule;
    this.#shared = shared;
  }

  /** Takes in what another process of this gateway has met. */
  hear({ failed, blocked, passed }: GuardNews): void {
    for (const source of passed) this.#goodUntil.set(source, this.#now() + this.#rule.blockMs);
    for (const [source, forMs] of blocked) if (!this.isKnownGood(source)) this.#blockLocally(source, forMs);
    for (const [source, count] of failed) {
      const undecided = this.#pending.count(source);
      if (this.#count(source, count) - undecided >= this.#rule.failures) void this.#block(source);
    }
  }

  /** How many sources are remembered: never more than the bound each. */
  get sizes(): { readonly failures: number; readonly blocked: number; readonly known: number } {
    return { failures: this.#failures.size, blocked: this.#blockedUntil.size, known: this.#goodUntil.size };
  }

  /** How long the source is still blocked, ms; 0 if it is not. Asks nobody. */
  blockedForMs(source: string): RefusalMs {
    const until = this.#blockedUntil.get(source);
    return until === Number.NEGATIVE_INFINITY ? 0 : Math.max(0, until - this.#now());
  }

  /** Whether a good key came from the source lately: then others' failures do not block it. */
  isKnownGood(source: string): boolean {
    return this.#goodUntil.get(source) > this.#now();
  }

  /** Notes a good key. */
  passed(source: string): void {
    const now = this.#now();
    // Refreshed at most once a second: this is on every request's way.
    const until = now + this.#rule.blockMs;
    if (this.#goodUntil.get(source) >= until - 1_000) return;
    this.#goodUntil.set(source, until);
    this.#tellPassed(source, now);
  }

  /**
   * Counts a failure that needed no look-up; says for how long the source is refused from now on. A promise only
   * for the failure that is the last one: the block is in force when it resolves.
   */
  failed(source: string): RefusalMs | Promise<RefusalMs> {
    const count = this.#count(source);
    this.#others.failed(source);
    if (count < this.#rule.failures) return 0;
    // The last failure that is granted is answered as such; the block begins behind it.
    const isLast = count === this.#rule.failures;
    if (this.isKnownGood(source)) return isLast ? 0 : this.#rule.blockMs;
    const blockedMs = this.blockedForMs(source);
    if (blockedMs > 0) return isLast ? 0 : blockedMs;
    const blocking = this.#block(source);
    return isLast ? blocking.then(() => 0) : blocking;
  }

  /**
   * Counts an attempt before the key is looked up, then looks it up, then takes the attempt back if it was good.
   * `refusedMs` above 0: the source has no attempts left. Then `found` is undefined, or what was found for a
   * source with a recent good key, whose bad attempts are answered as blocked and whose good ones pass.
   */
  async attempt<T>(source: string, lookUp: () => Promise<T>, isGood: (found: T) => boolean): Promise<Attempt<T>> {
    for (let looks = 0; ;) {
      const undecided = this.#pending.count(source);
      const own = this.#count(source);
      const { attempts, blockedMs } = await this.#shared.count(source);
      const count = Math.max(own, attempts);
      const isOver = blockedMs > 0 || count > this.#rule.failures;
      if (!isOver || (await this.#isKnownAnywhere(source))) {
        const found = await this.#lookUp(source, lookUp, isGood);
        if (!isGood(found)) {
          this.#others.failed(source);
          await this.#blockBehind(source, count - undecided);
        }
        return { found, refusedMs: isOver ? this.#rule.blockMs : 0 };
      }
      // Another gateway's block is taken over.
      if (blockedMs > 0) this.#blockLocally(source, blockedMs);
      const refusedMs = this.blockedForMs(source);
      if (refusedMs > 0) return { found: undefined, refusedMs };
      const someSettled = this.#pending.nextEnd(source);
      if (!someSettled && looks >= LOOKS_AT_OTHERS) return { found: undefined, refusedMs: await this.#block(source) };
      // Some of those counted are still being looked up, here or by others: a crowd of good keys behind one
      // address is no attack.
      const pause = someSettled ?? elapsed(LOOK_AGAIN_MS);
      await this.#forgive(source);
      await pause;
      if (!someSettled) looks++;
    }
  }

  async #lookUp<T>(source: string, lookUp: () => Promise<T>, isGood: (found: T) => boolean): Promise<T> {
    this.#pending.begin(source);
    const settle = () => this.#pending.end(source);
    let isForgiven = true;
    try {
      const found = await lookUp();
      isForgiven = isGood(found);
      return found;
    } finally {
      // A store that did not answer says nothing about the key. The answer does not wait for it to take that back.
      if (isForgiven) void this.#forgive(source).then(settle, settle);
      else settle();
    }
  }

  #count(source: string, failures = 1): number {
    return this.#failures.add(source, failures, this.#now(), this.#rule.perMs);
  }

  /** Twice in the time that it is believed. */
  #tellPassed(source: string, now: number): void {
    const { blockMs } = this.#rule;
    if (this.#goodToldAt.get(source) > now - blockMs / 2) return;
    this.#goodToldAt.set(source, now);
    this.#others.passed(source);
    void this.#shared.vouch(source, blockMs).catch(() => undefined);
  }

  async #forgive(source: string): Promise<void> {
    this.#failures.takeBack(source);
    await this.#shared.forgive(source);
  }

  /** Blocks the source once it has had its failures; those still being looked up are not counted. */
  async #blockBehind(source: string, counted: number): Promise<void> {
    const undecided = this.#pending.count(source);
    const failures = Math.max(counted, this.#failures.get(source) - undecided);
    if (failures >= this.#rule.failures) await this.#block(source);
  }

  /** Blocks the source, unless a good key came from it lately, here or elsewhere: then it is only this attempt that is refused. */
  async #block(source: string): Promise<RefusalMs> {
    if (this.isKnownGood(source)) return this.#rule.blockMs;
    const blockedMs = this.blockedForMs(source);
    if (blockedMs > 0) return blockedMs;
    const underWay = this.#blocking.get(source);
    if (underWay) return underWay;
    const blocking = this.#blockUnlessKnown(source).finally(() => this.#blocking.delete(source));
    this.#blocking.set(source, blocking);
    return blocking;
  }

  async #blockUnlessKnown(source: string): Promise<RefusalMs> {
    const { blockMs } = this.#rule;
    if (await this.#isKnownAnywhere(source)) return blockMs;
    this.#blockLocally(source, blockMs);
    this.#others.blocked(source, blockMs);
    void this.#shared.block(source, blockMs).catch(() => undefined);
    return blockMs;
  }

  #blockLocally(source: string, forMs: number): void {
    if (forMs > this.blockedForMs(source)) this.#blockedUntil.set(source, this.#now() + forMs);
  }

  /** Whether a good key came from the source lately, to this gateway or to another. */
  async #isKnownAnywhere(source: string): Promise<boolean> {
    if (this.isKnownGood(source)) return true;
    const goodMs = await this.#shared.vouchedForMs(source);
    if (goodMs > 0) this.#goodUntil.set(source, this.#now() + goodMs);
    return this.isKnownGood(source);
  }
}

/** How often, and after which pause in ms, attempts that others have counted are looked at again before they count as failures. */
const LOOKS_AT_OTHERS = 10;
const LOOK_AGAIN_MS = 25;

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
