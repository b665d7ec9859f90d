// This often: every limit of the key's plan and of the route, and the plan's concurrency, all or none.
import { randomUUID } from 'node:crypto';
import { sourcePrefix } from '../core/address.ts';
import { type Check, deny, type LimitReport, type Verdict } from '../core/decision.ts';
import { StoreFault } from '../core/fault.ts';
import type { Limit } from '../core/policy.ts';
import type { LimitDemand, LimitStore, SeatDemand, Taken } from '../core/ports.ts';
import type { Accepted, CallerKnown, ClientKnown, LimitsKnown, RouteKnown } from '../core/request.ts';

/** The one call that this check makes of the limit store. */
export type TakeLimits = LimitStore['take'];
/** Keeps a taken seat; returns what gives it back. */
export type HoldSeat = (seat: SeatDemand) => () => void;

type Needs = Accepted & ClientKnown & RouteKnown & CallerKnown;

export function admitLimits(take: TakeLimits, hold: HoldSeat): Check<Needs, LimitsKnown> {
  return (request, learn) => {
    learn.limits = [];
    learn.release = null;
    const limits = limitsOf(request);
    const seat = seatOf(request);
    return limits.length === 0 && seat === undefined ? undefined : admit();

    async function admit(): Promise<Verdict> {
      let taken: Taken;
      try {
        taken = await take(
          limits.map((limit) => demandOf(limit, request)),
          seat,
        );
      } catch (fault) {
        if (fault instanceof StoreFault) return deny('store_unavailable', { retryAfterS: 1, detail: fault.message });
        throw fault;
      }
      learn.limits = limits.map((limit, at) => reportOf(limit, taken.limits[at]!));
      if (taken.isAdmitted) {
        if (seat) learn.release = hold(seat);
        return undefined;
      }
      const violated = learn.limits.filter((_, at) => taken.limits[at]!.isViolated);
      if (violated.length === 0) return deny('concurrency_exceeded', { retryAfterS: 1 });
      return deny('rate_limited', {
        retryAfterS: Math.max(...violated.map((report) => report.resetS)),
        violated: violated.map((report) => report.name),
      });
    }
  };
}

/** The limits that apply: those of the plan, then those of the route. Without a caller, none that count by one. */
function limitsOf({ caller, route }: Needs): readonly Limit[] {
  const plan = caller?.plan?.limits ?? [];
  const limits = plan.length === 0 ? route.limits : [...plan, ...route.limits];
  return caller === null ? limits.filter((limit) => limit.by === 'address' || limit.by === 'route') : limits;
}

function seatOf({ caller }: Needs): SeatDemand | undefined {
  const limit = caller?.plan?.concurrency ?? null;
  if (caller === null || limit === null) return undefined;
  return { id: `concurrency/key/${caller.keyId}`, limit, token: randomUUID() };
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

function reportOf(limit: Limit, state: Taken['limits'][number]): LimitReport {
  const resetS = Math.max(1, Math.ceil(state.resetMs / 1000));
  return { name: limit.name, policyItem: limit.policyItem, remaining: state.remaining, resetS, quota: limit.requests };
}
