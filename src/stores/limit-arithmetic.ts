// The arithmetic of limits: what a subject's counts mean at a time, whether a demand fits, what is left, what is
// granted ahead and what can be given back. It is pure and exact in integers; the Redis scripts are the same
// arithmetic in Lua, and a property test holds the two together. A clock that jumps back never admits more, and
// locks nobody out for longer than a period.
import type { LeaseDemand, LeaseState, LimitAlgorithm, LimitDemand, Unspent } from '../core/ports.ts';

/**
 * What is kept of one subject under one limit: three whole numbers, whose meaning is the algorithm's.
 * - `fixed`: start of the window, count, unused
 * - `sliding`: start of the current window, count of the one before, count of the current one
 * - `bucket`: when it was last full, refills credited since, level in shares of an admission
 */
export type Counts = readonly [anchorMs: number, first: number, second: number];

type Rule = Pick<LimitDemand, 'requests' | 'periodMs' | 'burst' | 'cost'>;

interface Algorithm {
  /** The counts brought up to `nowMs`. */
  settle(rule: Rule, kept: Counts | undefined, nowMs: number): Counts;
  fits(rule: Rule, counts: Counts, nowMs: number): boolean;
  spend(rule: Rule, counts: Counts): Counts;
  /** Whole admissions left. */
  remaining(rule: Rule, counts: Counts, nowMs: number): number;
  /** Ms until a demand that does not fit would, or until the limit is at its freshest if it never does. */
  untilFit(rule: Rule, counts: Counts, nowMs: number): number;
  /** Ms until a new period begins; for a bucket, until it is full. */
  untilReset(rule: Rule, counts: Counts, nowMs: number): number;
  /** Ms until counts brought up to then may be others than now: a window ends, a bucket is refilled. */
  untilTurn(rule: Rule, counts: Counts, nowMs: number): number;
  /**
   * The counts as if `cost` admissions of the window that ends at `turnsAt` had not been taken; `undefined`
   * where that could let more pass than if they never had been.
   */
  putBack(rule: Rule, counts: Counts, turnsAt: number): Counts | undefined;
  /** Ms after which the counts mean as much as none. */
  lifeMs(rule: Rule, counts: Counts, nowMs: number): number;
}

/** Bounds of what is answered and kept, ms: some thirty years. */
const LONGEST_MS = 1e12;
/** Parts that a sliding window's weight is counted in. */
const SLIDING_PARTS = 1_000_000;
/** A bucket is refilled in ten steps a period, and at least every so many ms. */
const BUCKET_STEPS = 10;
const BUCKET_STEP_MS = 5_000;
/** Of what is left, one in so many is granted at once; where fewer than the floor are left, none. */
const GRANT_SHARE = 32;
const GRANT_FLOOR = 128;
/** What demand spends is reckoned no further ahead, ms. */
const GRANT_AHEAD_MS = 10_000;

const fixed: Algorithm = {
  settle({ periodMs }, kept, nowMs) {
    const start = nowMs - (nowMs % periodMs);
    // A window that has not begun yet was counted before the clock jumped back.
    return kept && kept[0] >= start ? [start, kept[1], 0] : [start, 0, 0];
  },
  fits: ({ requests, cost }, [, count]) => count + cost <= requests,
  spend: ({ cost }, [start, count]) => [start, count + cost, 0],
  remaining: ({ requests }, [, count]) => Math.max(0, requests - count),
  untilFit: ({ periodMs }, [start], nowMs) => start + periodMs - nowMs,
  untilReset: ({ periodMs }, [start], nowMs) => start + periodMs - nowMs,
  untilTurn: ({ periodMs }, [start], nowMs) => start + periodMs - nowMs,
  putBack: ({ periodMs, cost }, [start, count], turnsAt) =>
    start + periodMs === turnsAt ? [start, Math.max(0, count - cost), 0] : undefined,
  lifeMs: ({ periodMs }, [start], nowMs) => start + periodMs - nowMs,
};

const sliding: Algorithm = {
  settle({ periodMs }, kept, nowMs) {
    if (!kept || nowMs - kept[0] >= 2 * periodMs) return [nowMs, 0, 0];
    const [start, previous, current] = kept;
    if (nowMs < start) return [nowMs, previous, current];
    return nowMs - start < periodMs ? kept : [start + periodMs, current, 0];
  },
  fits: (rule, counts, nowMs) => slidingUsed(rule, counts, nowMs) + rule.cost <= rule.requests,
  spend: ({ cost }, [start, previous, current]) => [start, previous, current + cost],
  remaining: (rule, counts, nowMs) => Math.max(0, rule.requests - slidingUsed(rule, counts, nowMs)),
  untilFit({ requests, periodMs, cost }, [start, previous, current], nowMs) {
    const rest = start + periodMs - nowMs;
    const room = requests - current - cost;
    if (room >= 0) return rest - restWithin(periodMs, previous, room);
    const nextRoom = requests - cost;
    return nextRoom < 0 ? rest + periodMs : rest + periodMs - restWithin(periodMs, current, nextRoom);
  },
  untilReset: ({ periodMs }, [start], nowMs) => start + periodMs - nowMs,
  untilTurn: ({ periodMs }, [start], nowMs) => start + periodMs - nowMs,
  putBack({ periodMs, cost }, [start, previous, current], turnsAt) {
    if (start + periodMs === turnsAt) return [start, previous, Math.max(0, current - cost)];
    return start === turnsAt ? [start, Math.max(0, previous - cost), current] : undefined;
  },
  lifeMs: ({ periodMs }, [start], nowMs) => start + 2 * periodMs - nowMs,
};

const bucket: Algorithm = {
  settle(rule, kept, nowMs) {
    const full = rule.burst * steps(rule);
    if (!kept) return [nowMs, 0, full];
    const [anchor, credited, level] = kept;
    const due = nowMs < anchor ? -1 : stepsBy(rule, nowMs - anchor);
    // Fewer steps than were credited: the clock jumped back, and the next step is a whole one away.
    if (due < credited) return level >= full ? [nowMs, 0, full] : [nowMs, 0, level];
    if (due - credited >= ceilDiv(Math.max(0, full - level), rule.requests)) return [nowMs, 0, full];
    return [anchor, due, level + (due - credited) * rule.requests];
  },
  fits: (rule, [, , level]) => rule.cost * steps(rule) <= level,
  spend: (rule, [anchor, credited, level]) => [anchor, credited, level - rule.cost * steps(rule)],
  remaining: (rule, [, , level]) => floorDiv(level, steps(rule)),
  untilFit(rule, counts, nowMs) {
    const wanted = Math.min(rule.cost, rule.burst) * steps(rule);
    return Math.max(1, untilLevel(rule, counts, wanted, nowMs));
  },
  untilReset: (rule, counts, nowMs) => untilLevel(rule, counts, rule.burst * steps(rule), nowMs),
  untilTurn: (rule, [anchor, credited], nowMs) => anchor + stepAt(rule, credited + 1) - nowMs,
  // After a refill, what is put back might be more than a bucket that was full meanwhile would have lost.
  putBack(rule, [anchor, credited, level], turnsAt) {
    if (anchor + stepAt(rule, credited + 1) !== turnsAt) return undefined;
    return [anchor, credited, Math.min(rule.burst * steps(rule), level + rule.cost * steps(rule))];
  },
  lifeMs: (rule, counts, nowMs) => untilLevel(rule, counts, rule.burst * steps(rule), nowMs),
};

const ALGORITHMS: Readonly<Record<LimitAlgorithm, Algorithm>> = { fixed, sliding, bucket };

/** What one demand comes to. */
export interface Weighed {
  readonly fits: boolean;
  /** The counts if it is taken, with what is granted ahead. */
  readonly taken: Counts;
  /** How long they are to be kept, ms; 0 where there is nothing to keep. */
  readonly lifeMs: number;
  /** What is said if it is taken. */
  readonly ifTaken: LeaseState;
  /** What is said if nothing is taken. */
  readonly ifLeft: LeaseState;
}

/**
 * Weighs one demand against the counts kept of its subject; `undefined` is none.
 * @param more what is asked for ahead
 */
export function weigh(
  demand: LimitDemand,
  kept: Counts | undefined,
  nowMs: number,
  more?: Pick<LeaseDemand, 'ahead' | 'pacePerS'>,
): Weighed {
  const algorithm = ALGORITHMS[demand.algorithm];
  const counts = algorithm.settle(demand, kept, nowMs);
  const fits = demand.cost === 0 || algorithm.fits(demand, counts, nowMs);
  const lapseMs = Math.min(LONGEST_MS, algorithm.untilTurn(demand, counts, nowMs));
  const state = (at: Counts, granted: number): LeaseState => ({
    remaining: algorithm.remaining(demand, at, nowMs),
    resetMs: Math.min(LONGEST_MS, algorithm[fits ? 'untilReset' : 'untilFit'](demand, at, nowMs)),
    isViolated: !fits,
    granted,
    lapseMs,
    lapsesAt: nowMs + lapseMs,
  });
  const ifLeft = state(counts, 0);
  if (!fits) return { fits, taken: counts, lifeMs: 0, ifTaken: ifLeft, ifLeft };
  const spent = algorithm.spend(demand, counts);
  // A window begins with a request, and so does the first refill of a full bucket: never with a grant alone.
  const mayGrant = more !== undefined && (demand.cost > 0 || counts[0] < nowMs);
  const granted = mayGrant ? grantOf(more, algorithm.remaining(demand, spent, nowMs), lapseMs) : 0;
  const taken = algorithm.spend({ ...demand, cost: granted }, spent);
  const lifeMs = demand.cost + granted === 0 ? 0 : Math.min(LONGEST_MS, algorithm.lifeMs(demand, taken, nowMs));
  return { fits, taken, lifeMs, ifTaken: state(taken, granted), ifLeft };
}

/** What becomes of the counts kept of a subject when admissions are given back; `undefined`: they stay as they are. */
export function giveBack(
  unspent: Unspent,
  kept: Counts | undefined,
  nowMs: number,
): { readonly counts: Counts; readonly lifeMs: number } | undefined {
  // Where the clock has jumped back, it is not known any more whose window this is.
  if (!kept || nowMs < kept[0]) return undefined;
  const algorithm = ALGORITHMS[unspent.algorithm];
  const counts = algorithm.putBack(unspent, algorithm.settle(unspent, kept, nowMs), unspent.lapsesAt);
  return counts && { counts, lifeMs: Math.min(LONGEST_MS, algorithm.lifeMs(unspent, counts, nowMs)) };
}

/** How many of those left are granted ahead. */
function grantOf(
  { ahead, pacePerS }: Pick<LeaseDemand, 'ahead' | 'pacePerS'>,
  remaining: number,
  lapseMs: number,
): number {
  if (remaining < GRANT_FLOOR) return 0;
  const spendable = ceilDiv(Math.min(lapseMs, GRANT_AHEAD_MS) * pacePerS, 1_000);
  return Math.min(ahead, floorDiv(remaining, GRANT_SHARE), spendable);
}

/** What counts at a time: all of the current window, and of the one before the share that is still within a period. */
function slidingUsed({ periodMs }: Rule, [start, previous, current]: Counts, nowMs: number): number {
  const part = ceilDiv(periodMs, SLIDING_PARTS);
  const rest = start + periodMs - nowMs;
  return ceilDiv(previous * ceilDiv(rest, part), ceilDiv(periodMs, part)) + current;
}

/** The longest rest of a window at which `count` of the one before weighs no more than `room`, ms. */
function restWithin(periodMs: number, count: number, room: number): number {
  if (count === 0) return periodMs;
  const part = ceilDiv(periodMs, SLIDING_PARTS);
  return Math.min(periodMs, floorDiv(room * ceilDiv(periodMs, part), count) * part);
}

/** Steps a period: a level is counted in this many parts of an admission, so that a step adds exactly `requests` of them. */
function steps({ periodMs }: Rule): number {
  if (periodMs <= BUCKET_STEPS * BUCKET_STEP_MS) return BUCKET_STEPS;
  return Math.min(ceilDiv(periodMs, BUCKET_STEP_MS), floorDiv(Number.MAX_SAFE_INTEGER, periodMs));
}

/** Whole steps in a time. */
function stepsBy(rule: Rule, elapsedMs: number): number {
  const perPeriod = steps(rule);
  return (
    floorDiv(elapsedMs, rule.periodMs) * perPeriod + floorDiv((elapsedMs % rule.periodMs) * perPeriod, rule.periodMs)
  );
}

/** Ms until a bucket has a level. */
function untilLevel(rule: Rule, [anchor, credited, level]: Counts, wanted: number, nowMs: number): number {
  if (level >= wanted) return 0;
  return anchor + stepAt(rule, credited + ceilDiv(wanted - level, rule.requests)) - nowMs;
}

/** Ms from a bucket's anchor to its so manieth step. */
function stepAt(rule: Rule, step: number): number {
  const perPeriod = steps(rule);
  return floorDiv(step, perPeriod) * rule.periodMs + ceilDiv((step % perPeriod) * rule.periodMs, perPeriod);
}

function floorDiv(dividend: number, divisor: number): number {
  return (dividend - (dividend % divisor)) / divisor;
}

function ceilDiv(dividend: number, divisor: number): number {
  const rest = dividend % divisor;
  return (dividend - rest) / divisor + (rest > 0 ? 1 : 0);
}
