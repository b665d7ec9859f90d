// What a check answers: nothing, or a denial. A denial is a value; only broken things throw.
import type { Code, Reason } from './reasons.ts';

/** Why a request is not let through, with all that its answer says. */
export interface Denial {
  readonly code: Code;
  readonly reason: Reason;
  /** Scopes that were missing, for `scope_missing`. */
  readonly missing?: readonly string[];
  /** Methods of the path, for `method_not_allowed`. */
  readonly allow?: readonly string[];
  /** Seconds, whole. */
  readonly retryAfterS?: number;
  /** Names of the limits that are used up, for `rate_limited`. */
  readonly violated?: readonly string[];
  /** A word on what was wrong, for the log only. */
  readonly detail?: string;
}

/** Where one limit stands after a decision. */
export interface LimitReport {
  readonly name: string;
  /** Admissions a period. */
  readonly quota: number;
  readonly remaining: number;
  /** Seconds, rounded up, at least 1. */
  readonly resetS: number;
}

export type Verdict = Denial | undefined;

/**
 * One enforcement check. `request` is what is known so far, `learn` the same object seen as what the check
 * adds, so that a check placed before what it needs does not compile. A promise is returned only where the
 * store has to be asked.
 */
export type Check<Needs, Learns> = (request: Readonly<Needs>, learn: Learns) => Verdict | Promise<Verdict>;

/** A denial whose reason is its code. */
export function deny(code: Exclude<Code, 'key_invalid'>, more?: Omit<Denial, 'code' | 'reason'>): Denial {
  return { code, reason: code, ...more };
}
