// Runs checks in order, stops at the first denial, and applies `observe`. It goes on synchronously until a
// check has to wait for the store.
import type { Check, Denial, Verdict } from '../core/decision.ts';
import type { Route } from '../core/policy.ts';
import type { Accepted, RouteKnown } from '../core/request.ts';

/** What the checks concluded. */
export interface Decision {
  readonly outcome: 'allowed' | 'denied' | 'observed';
  /** The denial, or the one that `observe` waived. */
  readonly denial: Denial | null;
  /** The check that denied. */
  readonly deniedBy: string | null;
}

/** Checks in an order in which each has what it needs. */
export class Sequence<Known> {
  readonly #steps: readonly Step[];

  private constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** Begins a sequence over requests of which so much is known from the start. */
  static begin<Known extends Accepted = Accepted>(): Sequence<Known> {
    return new Sequence<Known>([]);
  }

  /** Adds a check; it does not compile before what it needs is known. */
  then<Learns>(name: string, check: Check<Known, Learns>): Sequence<Known & Learns> {
    return this.#with<Learns>({ name, check: check as Check<unknown, unknown>, isWaivable: false });
  }

  /** Adds a check whose denial a route in `observe` mode waives. */
  thenWaivable<Learns>(name: string, check: Check<Known & RouteKnown, Learns>): Sequence<Known & Learns> {
    return this.#with<Learns>({ name, check: check as Check<unknown, unknown>, isWaivable: true });
  }

  get names(): readonly string[] {
    return this.#steps.map((step) => step.name);
  }

  /** Runs the checks over `request`, which takes in what they learn. */
  run(request: Running): Decision | Promise<Decision> {
    return runFrom(this.#steps, 0, request);
  }

  #with<Learns>(step: Step): Sequence<Known & Learns> {
    return new Sequence<Known & Learns>([...this.#steps, step]);
  }
}

/** What the sequence itself reads of a request: whether its route observes. */
type Running = Accepted & { readonly route: Route | null };

interface Step {
  readonly name: string;
  readonly check: Check<unknown, unknown>;
  readonly isWaivable: boolean;
}

const ALLOWED: Decision = { outcome: 'allowed', denial: null, deniedBy: null };

function runFrom(steps: readonly Step[], from: number, request: Running): Decision | Promise<Decision> {
  for (let at = from; at < steps.length; at++) {
    const step = steps[at]!;
    const verdict = step.check(request, request);
    if (verdict === undefined) continue;
    return verdict instanceof Promise ? resume(steps, at, request, verdict) : conclude(step, request, verdict);
  }
  return ALLOWED;
}

async function resume(
  steps: readonly Step[],
  at: number,
  request: Running,
  pending: Promise<Verdict>,
): Promise<Decision> {
  const verdict = await pending;
  return verdict === undefined ? runFrom(steps, at + 1, request) : conclude(steps[at]!, request, verdict);
}

/** Of a waived denial nothing was taken, as under enforcement; the checks behind it do not run there either. */
function conclude(step: Step, request: Running, denial: Denial): Decision {
  const isWaived = step.isWaivable && request.route?.isObserved === true;
  return { outcome: isWaived ? 'observed' : 'denied', denial, deniedBy: step.name };
}
