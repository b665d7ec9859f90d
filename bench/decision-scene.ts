// The decision as the gateway composes it, and its checks one by one over the same store and policy; and requests to
// decide. This file follows the checks: a change of what they need is a change here.
import { AddressGuard } from '../src/checks/address-guard.ts';
import { admitLimits } from '../src/checks/admit-limits.ts';
import { allowUpgrade } from '../src/checks/allow-upgrade.ts';
import { authenticateKey } from '../src/checks/authenticate-key.ts';
import { authorizeNetwork } from '../src/checks/authorize-network.ts';
import { authorizeScope } from '../src/checks/authorize-scope.ts';
import { boundBody } from '../src/checks/bound-body.ts';
import { guardAddress } from '../src/checks/guard-address.ts';
import { identifyClient } from '../src/checks/identify-client.ts';
import { matchRoute } from '../src/checks/match-route.ts';
import { createEnforcement, type Enforcement } from '../src/compose/enforcement.ts';
import type { ConfigInput } from '../src/config/schema.ts';
import { parseAddress } from '../src/core/address.ts';
import type { Policy } from '../src/core/policy.ts';
import { parseTarget } from '../src/core/target.ts';
import { RequestState } from '../src/decide/request-state.ts';
import type { Peppers } from '../src/secrets/peppers.ts';
import { CachedKeys } from '../src/stores/cached-keys.ts';
import { LeasedLimits } from '../src/stores/leased-limits.ts';
import { GATEWAY_ENV } from './gateway-config.ts';
import { storeKeys } from './gateway-keys.ts';
import { ALLOWED, type KeySet } from './keys.ts';
import { ORDERS } from './wrk.ts';

/** A step over one request: a promise only where it asks the store. */
export type Step = (request: RequestState) => unknown;

export interface DecisionScene {
  /** All of it, as the gateway runs it. */
  readonly decide: Step;
  /** By name, in the order in which each finds what it needs. */
  readonly checks: readonly (readonly [name: string, check: Step])[];
  /** New requests, of texts that nobody has read before. */
  requests(count: number): RequestState[];
  close(): Promise<void>;
}

export async function openDecision(config: ConfigInput, keys: KeySet): Promise<DecisionScene> {
  const peppers = await storeKeys(config, keys.all, ALLOWED);
  const enforcement = await createEnforcement({ config, env: GATEWAY_ENV }, () => undefined);
  const { policy } = enforcement.inForce();
  const limits = new LeasedLimits(enforcement.store.limits);
  return {
    decide: (request) => enforcement.decide(request),
    checks: checksOf(enforcement, peppers, limits),
    requests: (count) => Array.from({ length: count }, (_, at) => newRequest(policy, keys.working[at % BUSY]!.text)),
    close: async () => {
      await limits.close();
      await enforcement.close();
    },
  };
}

/** Keys in use: few, so that each is busy enough for its leases to hold out, as a busy key's do in a gateway. */
const BUSY = 8;

function checksOf({ store, inForce }: Enforcement, peppers: Peppers, leased: LeasedLimits): DecisionScene['checks'] {
  const { policy, config } = inForce();
  const guard = new AddressGuard(policy.guard, store.attempts(policy.guard), Date.now);
  const keys = new CachedKeys({
    store: store.keys,
    peppers,
    maxStalenessMs: config.store.maxStaleness,
    lastHeardMs: () => store.changes.lastHeardMs(),
    awakeSinceMs: () => Number.NEGATIVE_INFINITY,
    now: Date.now,
    age: Date.now,
    expiryOf: (key) => policy.expiryOf(key),
    onEvent: () => undefined,
    onTampered: () => undefined,
    onOldPepper: () => undefined,
  });
  const checks = {
    client: identifyClient,
    guard: guardAddress(guard),
    route: matchRoute,
    upgrade: allowUpgrade,
    key: authenticateKey(keys, guard),
    network: authorizeNetwork,
    scope: authorizeScope,
    body: boundBody,
    limits: admitLimits(
      (demands, seat) => leased.take(demands, seat),
      () => () => undefined,
    ),
  };
  return Object.entries(checks).map(([name, check]) => {
    // A request state has room for all that any check needs; that it is known by then is the order's doing.
    const any = check as (request: RequestState, learn: RequestState) => unknown;
    return [name, (request: RequestState) => any(request, request)] as const;
  });
}

const PEER = parseAddress('127.0.0.1')!;
/** What wrk sends, and a browser's usual fields. */
const FIELDS = ['Host', 'api.example.com', 'User-Agent', 'bench', 'Accept', '*/*', 'X-Api-Key'] as const;

/** A request with a key, of texts that nobody has read before. */
export function newRequest(policy: Policy, key: string): RequestState {
  const target = parseTarget(unread(ORDERS), 'api.example.com');
  if ('flaw' in target) throw new Error(`the target is not one: ${target.flaw}`);
  return new RequestState({
    id: 'bench',
    policy,
    acceptedAtMs: Date.now(),
    method: 'GET',
    target,
    host: 'api.example.com',
    rawHeaders: [...FIELDS, key].map(unread),
    peer: PEER,
    upgrades: [],
    contentLength: 0,
  });
}

/** The same text as it comes from a socket: not hashed, not shared. */
function unread(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
