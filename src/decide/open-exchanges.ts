// All requests that were let through and have not ended. When a key changes, when it or its secret expires, or when
// another configuration comes into force, those that would now be denied are ended. What is on every request's way is
// to take a place and to give it back; all else is one look at all of them, ten times a second, whatever has changed.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BOUNDS } from '../core/bounds.ts';
import { deny } from '../core/decision.ts';
import { StoreFault } from '../core/fault.ts';
import type { PresentedKey } from '../core/key-record.ts';
import type { HeldKey, Policy } from '../core/policy.ts';
import type { Change, Clock, Found } from '../core/ports.ts';
import type { OpenExchange } from './open-exchange.ts';
import { recheck, type Rechecked } from './recheck.ts';
import type { Admitted } from './request-state.ts';

export interface OpenExchangesOptions {
  /** The policy in force. */
  readonly policy: () => Policy;
  /** Asks the store for a key by its id. @throws {StoreFault} */
  readonly askKey: (id: string) => Promise<Found>;
  /** What a key opened is about to be ended: what was known of that key before must let nothing through any more. */
  readonly onOverruled: (id: string) => void;
  readonly now: Clock;
  /** A defect: an exception that nothing expected. */
  readonly onBug: (bug: unknown) => void;
}

export class OpenExchanges {
  readonly #options: OpenExchangesOptions;
  readonly #open: OpenExchange[] = [];
  /** Ids of keys that changed since the last look. */
  readonly #changed = new Set<string>();
  #isReset = false;
  #isReloaded = false;
  #news = 0;
  #isLooking = false;
  /** When the store may be asked again after a fault, on `performance.now()`. */
  #askAgainAt = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(options: OpenExchangesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), BOUNDS.recheckMs).unref();
  }

  /** Goes up with everything that is heard of. */
  get news(): number {
    return this.#news;
  }

  get size(): number {
    return this.#open.length;
  }

  /** Takes in what was let through. `newsBefore` has to be from before its decision. */
  add(exchange: OpenExchange, admitted: Admitted): void {
    exchange.admitted = admitted;
    exchange.key = admitted.key;
    exchange.caller = admitted.caller;
    // What was heard of while it was being decided may not have been part of the decision.
    exchange.isSuspect = exchange.newsBefore !== this.#news;
    exchange.place = this.#open.push(exchange) - 1;
  }

  /** Lets go of one that has ended; of one that is not here nothing is to be done. */
  remove(exchange: OpenExchange): void {
    const { place } = exchange;
    if (place === -1) return;
    exchange.place = -1;
    const last = this.#open.pop()!;
    if (last === exchange) return;
    this.#open[place] = last;
    last.place = place;
  }

  /** Takes in a change that the feed told of, after the key cache has. */
  hear(change: Change): void {
    this.#news++;
    if (change.kind === 'reset' || this.#changed.size >= BOUNDS.changedKeys) this.#isReset = true;
    else this.#changed.add(change.id);
  }

  /** Another policy is in force. */
  reloaded(): void {
    this.#news++;
    this.#isReloaded = true;
  }

  /** Looks at all of them, and ends those that would now be denied. A look that is under way is not joined by another. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { doubtful, suspects } = this.#due();
      if (doubtful.length > 0) await this.#recheckEach(doubtful);
      if (suspects.length > 0) await this.#askAndRecheck(suspects);
    } catch (bug) {
      this.#options.onBug(bug);
    } finally {
      this.#isLooking = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Those to be decided again by what is known of their keys, and those whose keys the store has to be asked for. */
  #due(): { doubtful: OpenExchange[]; suspects: OpenExchange[] } {
    const changed = this.#changed;
    const isReset = this.#isReset;
    const isReloaded = this.#isReloaded;
    const nowMs = this.#options.now();
    const mayAsk = performance.now() >= this.#askAgainAt;
    const doubtful: OpenExchange[] = [];
    const justChanged: OpenExchange[] = [];
    const suspects: OpenExchange[] = [];
    for (const exchange of this.#open) {
      if (!exchange.hasForgotten) exchange.forgetCredential();
      exchange.hasForgotten = true;
      const { key } = exchange;
      const hasChanged = key !== null && changed.size > 0 && changed.has(key.id);
      if (key !== null && (isReset || hasChanged)) exchange.isSuspect = true;
      if (isReloaded) exchange.isOutdated = true;
      // Who only waits for an answer keeps the configuration that it began with, until that answer has begun.
      const isOutdated = exchange.isOutdated && !exchange.isAwaited;
      if (isOutdated || hasExpired(exchange, nowMs) || (exchange.isSuspect && key === null)) doubtful.push(exchange);
      if (mayAsk && exchange.isSuspect && key !== null) (hasChanged ? justChanged : suspects).push(exchange);
    }
    changed.clear();
    this.#isReset = false;
    this.#isReloaded = false;
    return { doubtful, suspects: justChanged.concat(suspects) };
  }

  /** In parts, so that others have their turn in between. */
  async #recheckEach(exchanges: readonly OpenExchange[]): Promise<void> {
    for (const [at, exchange] of exchanges.entries()) {
      if (at % BOUNDS.recheckedAtOnce === BOUNDS.recheckedAtOnce - 1) await nextTurn();
      exchange.isOutdated = false;
      if (exchange.key === null) exchange.isSuspect = false;
      await this.#recheck(exchange, exchange.key);
    }
  }

  /**
   * Asks for each key once. Where the store does not answer, the rest stay open and suspect, and are asked for again; where
   * it is slow they wait for the next look, so that a key that changes meanwhile does not have to wait for them.
   */
  async #askAndRecheck(suspects: readonly OpenExchange[]): Promise<void> {
    const until = performance.now() + BOUNDS.recheckAskingMs;
    const groups = [...Map.groupBy(suspects, ({ key }) => key?.id ?? '')];
    for (let at = 0; at < groups.length; at += BOUNDS.recheckedAtOnce) {
      const asked = groups.slice(at, at + BOUNDS.recheckedAtOnce);
      const found = await Promise.all(asked.map(([id]) => this.#ask(id)));
      for (const [index, [, exchanges]] of asked.entries()) await this.#recheckOf(exchanges, found[index]);
      // One key that cannot be read holds up no other.
      if (found.every((each) => each === undefined)) {
        this.#askAgainAt = performance.now() + BOUNDS.recheckRetryMs;
        return;
      }
      if (performance.now() > until) return;
      await nextTurn();
    }
  }

  /** Those of one key, by what was found of it; undefined where that is not known. */
  async #recheckOf(exchanges: readonly OpenExchange[], found: Found | undefined): Promise<void> {
    if (found === undefined) return;
    const bySecret = new Map<number, HeldKey | 'absent'>();
    for (const [at, exchange] of exchanges.entries()) {
      if (at % BOUNDS.recheckedAtOnce === BOUNDS.recheckedAtOnce - 1) await nextTurn();
      exchange.isSuspect = false;
      const { secretCreatedAt } = exchange.key!;
      const key = bySecret.get(secretCreatedAt) ?? asPresented(found, secretCreatedAt);
      bySecret.set(secretCreatedAt, key);
      await this.#recheck(exchange, key);
    }
  }

  async #recheck(exchange: OpenExchange, key: PresentedKey | 'absent' | null): Promise<void> {
    if (exchange.place === -1) return;
    const { denial, caller } = await this.#decide(exchange.admitted!, key);
    if (exchange.place === -1) return;
    if (denial !== null) {
      if (exchange.key !== null) this.#options.onOverruled(exchange.key.id);
      return exchange.endFor(denial);
    }
    exchange.caller = caller;
    if (key !== 'absent') exchange.key = key;
  }

  /** A defect ends the request, as it does when it begins. */
  async #decide(admitted: Admitted, key: PresentedKey | 'absent' | null): Promise<Rechecked> {
    const { policy, now, onBug } = this.#options;
    try {
      return await recheck(admitted, { policy: policy(), key, nowMs: now() });
    } catch (bug) {
      onBug(bug);
      return { denial: deny('internal_error'), caller: null };
    }
  }

  /** Undefined where the store does not answer. */
  async #ask(id: string): Promise<Found | undefined> {
    try {
      return await this.#options.askKey(id);
    } catch (fault) {
      if (!(fault instanceof StoreFault)) this.#options.onBug(fault);
      return undefined;
    }
  }
}

/** The key as the secret that was made then finds it. */
function asPresented(found: Found, secretCreatedAt: number): HeldKey | 'absent' {
  if (found === 'absent') return 'absent';
  const secret = found.secrets.find(({ createdAt }) => createdAt === secretCreatedAt);
  if (secret === undefined) return 'absent';
  return { ...found, secretCreatedAt, secretEndsAt: secret.endsAt, compiled: null };
}

function hasExpired({ key, caller }: OpenExchange, nowMs: number): boolean {
  if (caller === null) return false;
  if (caller.expiresAt !== null && caller.expiresAt <= nowMs) return true;
  return key !== null && key.secretEndsAt !== null && key.secretEndsAt <= nowMs;
}
