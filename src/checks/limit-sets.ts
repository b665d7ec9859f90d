// What requests alike demand of the limits, built once and remembered for a while: the same caller on the same route
// (and from the same address, where a limit counts by it) demands the same of the same subjects.
import { sourcePrefix } from '../core/address.ts';
import { BOUNDS } from '../core/bounds.ts';
import type { Caller, Limit, Route } from '../core/policy.ts';
import type { LimitDemand } from '../core/ports.ts';
import type { CallerKnown, ClientKnown, RouteKnown } from '../core/request.ts';

/** The limits that apply to a request, and a demand of each, in their order. */
export interface LimitSet {
  readonly caller: Caller | null;
  readonly limits: readonly Limit[];
  readonly demands: readonly LimitDemand[];
  /** Value of `RateLimit-Policy`. */
  readonly policy: string;
}

type Needs = ClientKnown & RouteKnown & CallerKnown;
/** By route; then by caller, or by text where the address counts or there is no caller. */
type Generation = Map<Route, Map<Caller | string, LimitSet>>;

export class LimitSets {
  readonly #most: number;
  #young: Generation = new Map();
  #old: Generation = new Map();
  #count = 0;

  /** @param most how many are remembered */
  constructor(most: number = BOUNDS.limitSets) {
    this.#most = most;
  }

  /** What the request demands; the same object as for the last one like it. */
  of(request: Readonly<Needs>): LimitSet {
    const { caller, route } = request;
    const key = keyOf(request);
    const known = this.#young.get(route)?.get(key);
    if (known !== undefined && known.caller === caller) return known;
    const old = this.#old.get(route)?.get(key);
    const set = old !== undefined && old.caller === caller ? old : build(request);
    this.#remember(route, key, set);
    return set;
  }

  /** Two generations: what was not asked for during one of them is gone after the next. */
  #remember(route: Route, key: Caller | string, set: LimitSet): void {
    if (this.#count >= this.#most / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#count = 0;
    }
    let sets = this.#young.get(route);
    if (!sets) this.#young.set(route, (sets = new Map()));
    sets.set(key, set);
    this.#count++;
  }
}

function keyOf({ caller, route, client }: Needs): Caller | string {
  // A key's id has no space in it. That the caller is the same is looked at, too.
  if (route.countsAddress || caller?.plan?.countsAddress === true)
    return `${caller?.keyId ?? ''} ${sourcePrefix(client)}`;
  return caller ?? '';
}

function build(request: Needs): LimitSet {
  const limits = limitsOf(request);
  return {
    caller: request.caller,
    limits,
    demands: limits.map((limit) => demandOf(limit, request)),
    policy: limits.map((limit) => limit.policyItem).join(', '),
  };
}

/** The limits that apply: those of the plan, then those of the route. Without a caller, none that count by one. */
function limitsOf({ caller, route }: Needs): readonly Limit[] {
  const plan = caller?.plan?.limits ?? [];
  const limits = plan.length === 0 ? route.limits : [...plan, ...route.limits];
  return caller === null ? limits.filter((limit) => limit.by === 'address' || limit.by === 'route') : limits;
}

function demandOf(limit: Limit, request: Needs): LimitDemand {
  const { algorithm, requests, periodMs, burst, idPrefix } = limit;
  return { id: idPrefix + subjectOf(limit, request), algorithm, requests, periodMs, burst, cost: request.route.cost };
}

/** Who or what is counted, as text that cannot be taken for another part of a store key. */
function subjectOf({ by }: Limit, { caller, client, route }: Needs): string {
  switch (by) {
    case 'key':
      return caller?.keyId ?? '';
    case 'owner':
      // A key without an owner is its own.
      return caller?.owner ? `o:${encodeURIComponent(caller.owner.toWellFormed())}` : `k:${caller?.keyId ?? ''}`;
    case 'address':
      return encodeURIComponent(sourcePrefix(client));
    case 'route':
      return route.name;
  }
}
