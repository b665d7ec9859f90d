// What requests alike demand of the limits, built once and remembered for a while: the same caller on the same route
// (and from the same address, where a limit counts by it) demands the same of the same subjects.
import { sourcePrefix } from '../core/address.ts';
import { BOUNDS } from '../core/bounds.ts';
import type { Caller, Limit, Plan, Route } from '../core/policy.ts';
import type { LimitDemand } from '../core/ports.ts';
import type { CallerKnown, ClientKnown, RouteKnown } from '../core/request.ts';
import { Sightings } from '../core/sightings.ts';

/** The limits that apply to a request, and a demand of each, in their order. */
export interface LimitSet {
  readonly limits: readonly Limit[];
  readonly demands: readonly LimitDemand[];
  /** Value of `RateLimit-Policy`. */
  readonly policy: string;
}

/** A set, and what of a caller it was built from besides the id that it is remembered by. */
interface Remembered extends LimitSet {
  readonly owner: string | null;
  readonly plan: Plan | null;
}

type Needs = ClientKnown & RouteKnown & CallerKnown;
/** By route, or by cost where nothing of the route counts but that; then by key id, and by address where that counts. */
type Generation = Map<Route | number, Map<string, Remembered>>;

/** Places for what was asked for once: four for each set there may be. */
const SIGHTINGS = 65_536;

export class LimitSets {
  readonly #most: number;
  readonly #sightings = new Sightings(SIGHTINGS);
  #looks = 0;
  #young: Generation = new Map();
  #old: Generation = new Map();
  #count = 0;

  /** @param most how many are remembered */
  constructor(most: number = BOUNDS.limitSets) {
    this.#most = most;
  }

  /** What the request demands; the same object as for the last one like it, from the second on. */
  of(request: Readonly<Needs>): LimitSet {
    const { caller, route } = request;
    const key = keyOf(request);
    const among = route.limits.length === 0 && caller?.plan?.countsRoute !== true ? route.cost : route;
    const known = this.#young.get(among)?.get(key);
    if (known !== undefined && isOf(known, caller)) return known;
    const old = this.#old.get(among)?.get(key);
    if (old !== undefined && isOf(old, caller)) return this.#remember(among, key, old);
    const set = build(request);
    return this.#wasSeen(key) ? this.#remember(among, key, set) : set;
  }

  /**
   * Whether requests alike came lately. Sets that are used once would push out the others, and live just long enough
   * to become old garbage.
   */
  #wasSeen(key: string): boolean {
    return this.#sightings.see(key, ++this.#looks) !== Number.NEGATIVE_INFINITY;
  }

  /** Two generations: what was not asked for during one of them is gone after the next. */
  #remember(among: Route | number, key: string, set: Remembered): LimitSet {
    if (this.#count >= this.#most / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#count = 0;
    }
    let sets = this.#young.get(among);
    if (!sets) this.#young.set(among, (sets = new Map()));
    sets.set(key, set);
    this.#count++;
    return set;
  }
}

/** A key's id has no space in it. */
function keyOf({ caller, route, client }: Needs): string {
  const keyId = caller?.keyId ?? '';
  return route.countsAddress || caller?.plan?.countsAddress === true ? `${keyId} ${sourcePrefix(client)}` : keyId;
}

function isOf({ owner, plan }: Remembered, caller: Caller | null): boolean {
  return caller === null ? owner === null && plan === null : owner === caller.owner && plan === caller.plan;
}

function build(request: Needs): Remembered {
  const { caller } = request;
  const limits = limitsOf(request);
  return {
    owner: caller?.owner ?? null,
    plan: caller?.plan ?? null,
    limits,
    demands: limits.map((limit) => demandOf(limit, request)),
    policy: limits.map((limit) => limit.policyItem).join(', '),
  };
}

/** The limits that apply: those of the plan, then those of the route. Without a caller, none that count by one. */
function limitsOf({ caller, route }: Needs): readonly Limit[] {
  const plan = caller?.plan?.limits ?? [];
  const limits = joined(plan, route.limits);
  return caller === null ? limits.filter((limit) => limit.by === 'address' || limit.by === 'route') : limits;
}

function joined(first: readonly Limit[], second: readonly Limit[]): readonly Limit[] {
  if (second.length === 0) return first;
  return first.length === 0 ? second : [...first, ...second];
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
