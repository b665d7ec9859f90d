// A KeyService on a real store, with a clock that tests move.
import { randomBytes } from 'node:crypto';
import { Pepper } from '../../src/core/key-record.ts';
import type { Store } from '../../src/core/ports.ts';
import { type Declarations, NO_GRANTS } from '../../src/manage/declarations.ts';
import { KeyService, type KeyServiceOptions } from '../../src/manage/key-service.ts';

/** The moment at which every test begins, ms since the epoch. */
export const START_MS = Date.UTC(2030, 0, 1);

export const DECLARATIONS: Declarations = {
  roles: new Map([
    ['reader', ['orders:read']],
    ['writer', ['orders:write', 'invoices:*']],
  ]),
  plans: new Set(['free', 'gold']),
  keys: new Map([
    ['billing-job', { ...NO_GRANTS, owner: 'acme', roles: ['reader'], plan: 'free', expiresAt: Date.UTC(2031, 0, 1) }],
  ]),
};

/** A service, and what it stands on. */
export interface ServiceUnderTest {
  readonly service: KeyService;
  readonly store: Store;
  readonly pepper: Pepper;
  /** What the service's clock says, ms since the epoch. */
  clock: { nowMs: number };
}

/** Makes a pepper of which nobody else has a copy. */
export function newPepper(): Pepper {
  return new Pepper(randomBytes(32));
}

/** Puts a service on a store. */
export function serviceOn(store: Store, options: Partial<KeyServiceOptions> = {}): ServiceUnderTest {
  const clock = { nowMs: START_MS };
  const pepper = options.peppers?.current ?? newPepper();
  const service = new KeyService({
    store: store.keys,
    peppers: { current: pepper, previous: [] },
    declarations: DECLARATIONS,
    prefix: 'ptc_live',
    now: () => clock.nowMs,
    random: randomBytes,
    ...options,
  });
  return { service, store, pepper, clock };
}
