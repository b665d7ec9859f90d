// The real pipeline on a real Redis, as a gateway has it: store, cache, change feed, leases, guard and checks.
import { AddressGuard } from '../../../src/checks/address-guard.ts';
import { parseAddress } from '../../../src/core/address.ts';
import type { Policy } from '../../../src/core/policy.ts';
import type { Store } from '../../../src/core/ports.ts';
import { parseTarget } from '../../../src/core/target.ts';
import { decisionSequence } from '../../../src/decide/decide.ts';
import { RequestState } from '../../../src/decide/request-state.ts';
import { CachedKeys } from '../../../src/stores/cached-keys.ts';
import { LeasedLimits } from '../../../src/stores/leased-limits.ts';
import { PEPPER } from './scene.ts';

/** What was decided, in one text: `allowed as alpha of owner-of-alpha`, or the denial's code. */
export type Decided = string;

export class Pipeline {
  readonly #policy: Policy;
  readonly #keys: CachedKeys;
  readonly #limits: LeasedLimits;
  readonly #sequence: ReturnType<typeof decisionSequence>;
  #requests = 0;

  static async start(store: Store, policy: Policy): Promise<Pipeline> {
    const pipeline = new Pipeline(store, policy);
    await store.changes.start((change) => pipeline.#keys.forget(change));
    return pipeline;
  }

  private constructor(store: Store, policy: Policy) {
    this.#policy = policy;
    this.#limits = new LeasedLimits(store.limits);
    this.#keys = new CachedKeys({
      store: store.keys,
      peppers: { current: PEPPER, previous: [] },
      maxStalenessMs: 10_000,
      lastHeardMs: () => store.changes.lastHeardMs(),
      awakeSinceMs: () => Number.NEGATIVE_INFINITY,
      now: Date.now,
      age: Date.now,
      expiryOf: (key) => policy.expiryOf(key),
      onEvent: () => {},
      onTampered: () => {},
      onOldPepper: () => {},
    });
    this.#sequence = decisionSequence({
      guard: new AddressGuard(policy.guard, store.attempts(policy.guard), Date.now),
      keys: this.#keys,
      take: (demands, seat) => this.#limits.take(demands, seat),
      hold: (seat) => () => void store.limits.release(seat.id, seat.token).catch(() => {}),
    });
  }

  /** Nothing is known but what the store says. */
  forget(): void {
    this.#keys.forget({ kind: 'reset' });
  }

  async decide(secret: string, path: string): Promise<Decided> {
    const target = parseTarget(path, 'a');
    const peer = parseAddress(addressOf(this.#requests++));
    if ('flaw' in target || peer === undefined) throw new Error('a request of the fuzzer is malformed');
    const request = new RequestState({
      id: 'fuzz',
      policy: this.#policy,
      acceptedAtMs: Date.now(),
      method: 'GET',
      target,
      host: 'a',
      rawHeaders: ['X-Api-Key', secret],
      peer,
      upgrades: [],
      contentLength: 0,
    });
    const { outcome, denial } = await this.#sequence.run(request);
    request.release?.();
    return outcome === 'allowed'
      ? `allowed as ${request.caller?.keyId} of ${request.caller?.owner}`
      : String(denial?.code);
  }

  close(): Promise<void> {
    return this.#limits.close();
  }
}

/** One of its own for each request, so that the guard blocks nobody. */
function addressOf(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}
