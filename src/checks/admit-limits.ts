// This often: every limit of the key's plan and of the route, and the plan's concurrency, all or none.
import { randomUUID } from 'node:crypto';
import { type Check, deny, type LimitReport, type Verdict } from '../core/decision.ts';
import { StoreFault } from '../core/fault.ts';
import type { Limit } from '../core/policy.ts';
import type { LimitDemand, LimitState, SeatDemand, Taken } from '../core/ports.ts';
import type { Accepted, CallerKnown, ClientKnown, LimitsKnown, RouteKnown } from '../core/request.ts';
import { LimitSets, type LimitSet } from './limit-sets.ts';

/** Takes all demands or none: a promise only where the store has to be asked. The same array is given for requests alike. */
export type TakeLimits = (demands: readonly LimitDemand[], seat?: SeatDemand) => Taken | Promise<Taken>;
/** Keeps a taken seat; returns what gives it back. */
export type HoldSeat = (seat: SeatDemand) => () => void;

type Needs = Accepted & ClientKnown & RouteKnown & CallerKnown;

const NONE: readonly LimitReport[] = [];

export function admitLimits(take: TakeLimits, hold: HoldSeat): Check<Needs, LimitsKnown> {
  const sets = new LimitSets();

  function conclude(
    { limits, policy }: LimitSet,
    taken: Taken,
    seat: SeatDemand | undefined,
    learn: LimitsKnown,
  ): Verdict {
    learn.limits = reportsOf(limits, taken.limits);
    learn.limitPolicy = policy;
    if (taken.isAdmitted) {
      if (seat) learn.release = hold(seat);
      return undefined;
    }
    return denialOf(learn.limits, taken.limits);
  }

  async function wait(set: LimitSet, pending: Promise<Taken>, seat: SeatDemand | undefined, learn: LimitsKnown) {
    try {
      return conclude(set, await pending, seat, learn);
    } catch (fault) {
      if (fault instanceof StoreFault) return deny('store_unavailable', { retryAfterS: 1, detail: fault.message });
      throw fault;
    }
  }

  return (request, learn) => {
    learn.limits = NONE;
    learn.limitPolicy = '';
    learn.release = null;
    const seat = seatOf(request);
    if (seat === undefined && !hasLimits(request)) return undefined;
    const set = sets.of(request);
    if (seat === undefined && set.demands.length === 0) return undefined;
    const taken = take(set.demands, seat);
    return taken instanceof Promise ? wait(set, taken, seat, learn) : conclude(set, taken, seat, learn);
  };
}

function hasLimits({ caller, route }: Needs): boolean {
  return route.limits.length > 0 || (caller !== null && caller.plan !== null && caller.plan.limits.length > 0);
}

function seatOf({ caller }: Needs): SeatDemand | undefined {
  const limit = caller?.plan?.concurrency ?? null;
  if (caller === null || limit === null) return undefined;
  return { id: `concurrency/key/${caller.keyId}`, limit, token: randomUUID() };
}

function reportsOf(limits: readonly Limit[], states: readonly LimitState[]): readonly LimitReport[] {
  return limits.map(({ name, requests }, at) => {
    const { remaining, resetMs } = states[at]!;
    return { name, remaining, resetS: Math.max(1, Math.ceil(resetMs / 1000)), quota: requests };
  });
}

function denialOf(reports: readonly LimitReport[], states: readonly LimitState[]): Verdict {
  const violated = reports.filter((_, at) => states[at]!.isViolated);
  if (violated.length === 0) return deny('concurrency_exceeded', { retryAfterS: 1 });
  return deny('rate_limited', {
    retryAfterS: Math.max(...violated.map((report) => report.resetS)),
    violated: violated.map((report) => report.name),
  });
}
