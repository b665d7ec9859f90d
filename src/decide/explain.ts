// What would be decided, and why, check by check: the same pipeline, run for a key by its id, with nothing
// taken from any limit and no attempt counted.
import { randomUUID } from 'node:crypto';
import type { Address } from '../core/address.ts';
import { admitLimits } from '../checks/admit-limits.ts';
import { allowUpgrade } from '../checks/allow-upgrade.ts';
import { judge } from '../checks/authenticate-key.ts';
import { authorizeNetwork } from '../checks/authorize-network.ts';
import { authorizeScope } from '../checks/authorize-scope.ts';
import { boundBody } from '../checks/bound-body.ts';
import { identifyClient } from '../checks/identify-client.ts';
import { matchRoute } from '../checks/match-route.ts';
import { type Check, type Denial, deny } from '../core/decision.ts';
import type { Policy } from '../core/policy.ts';
import type { Found, LimitStore } from '../core/ports.ts';
import { ANSWERS, type Code, type Outcome, type Reason } from '../core/reasons.ts';
import type { Accepted, CallerKnown, RouteKnown } from '../core/request.ts';
import { parseTarget } from '../core/target.ts';
import { RequestState } from './request-state.ts';
import { Sequence } from './sequence.ts';

/** What is asked. */
export interface Question {
  /** The key's record, `absent` for an id that nobody has, null for a request without a key. */
  readonly key: Found | null;
  readonly method: string;
  /** Path and query as a client would send them. */
  readonly path: string;
  readonly from: Address;
  /** Host without port. */
  readonly host: string;
  /** Protocol of an Upgrade, or null. */
  readonly upgrade: string | null;
  readonly nowMs: number;
}

export interface Explanation {
  readonly outcome: Outcome;
  /** What would be answered; null where the upstream would answer. */
  readonly status: number | null;
  readonly code: Code | null;
  readonly reason: Reason;
  readonly route: string | null;
  readonly checks: readonly ExplainedCheck[];
}

export interface ExplainedCheck {
  readonly check: string;
  readonly result: 'pass' | 'deny' | 'skip';
  readonly detail: string;
}

/** @throws {StoreFault} where the limits cannot be asked is answered as `store_unavailable` instead */
export async function explain(policy: Policy, limits: LimitStore, question: Question): Promise<Explanation> {
  const target = parseTarget(question.path, question.host);
  if ('flaw' in target) return refusedTarget(target.flaw);
  const state = new RequestState({
    id: randomUUID(),
    policy,
    acceptedAtMs: question.nowMs,
    method: question.method,
    target,
    host: question.host,
    rawHeaders: [],
    peer: question.from,
    upgrades: question.upgrade === null ? [] : [question.upgrade],
    contentLength: 0,
  });
  const sequence = Sequence.begin()
    .then('client', identifyClient)
    .then('route', matchRoute)
    .then('upgrade', allowUpgrade)
    .then('key', knownKey(question.key))
    .thenWaivable('network', authorizeNetwork)
    .thenWaivable('scope', authorizeScope)
    .then('body', boundBody)
    .thenWaivable(
      'limits',
      admitLimits(
        (demands, seat) => limits.peek(demands, seat),
        () => () => undefined,
      ),
    );
  const { outcome, denial, deniedBy } = await sequence.run(state);
  const names = sequence.names.filter((name) => name !== 'body');
  const deniedAt = deniedBy === null ? names.length : names.indexOf(deniedBy);
  return {
    outcome,
    status: outcome === 'denied' && denial ? ANSWERS[denial.code].status : null,
    code: denial?.code ?? null,
    reason: denial?.reason ?? state.admission,
    route: state.route?.name ?? null,
    checks: [
      { check: 'target', result: 'pass', detail: target.path + target.query },
      ...names.map((check, at) => explained(check, at - deniedAt, state, denial)),
    ],
  };
}

/** Authentication without a secret: the record is given. */
function knownKey(key: Found | null): Check<Accepted & RouteKnown, CallerKnown> {
  return (request, learn) => {
    learn.caller = null;
    learn.admission = request.isPreflight ? 'preflight' : 'public';
    if (request.isPreflight || request.route.access === 'public') return undefined;
    if (key === null) return deny('key_missing');
    const judged = judge(request, key);
    if (typeof judged === 'string') return { code: 'key_invalid', reason: judged };
    learn.caller = judged;
    learn.admission = 'key';
    return undefined;
  };
}

function explained(check: string, behindDenial: number, state: RequestState, denial: Denial | null): ExplainedCheck {
  if (behindDenial > 0) return { check, result: 'skip', detail: 'not reached' };
  if (behindDenial === 0 && denial) return { check, result: 'deny', detail: denialText(denial, state) };
  return { check, ...passText(check, state) };
}

function passText(check: string, state: RequestState): { result: 'pass' | 'skip'; detail: string } {
  const { route, caller } = state;
  switch (check) {
    case 'client':
      return { result: 'pass', detail: state.client?.text ?? '' };
    case 'route':
      return { result: 'pass', detail: `${route?.name} (${route?.path})${route?.isObserved ? ', mode observe' : ''}` };
    case 'upgrade':
      return state.upgrades.length === 0
        ? { result: 'skip', detail: 'no upgrade asked' }
        : { result: 'pass', detail: state.upgrades.join(', ') };
    case 'key':
      return caller === null
        ? { result: 'skip', detail: state.admission }
        : { result: 'pass', detail: `${caller.keyId}, owner ${caller.owner ?? 'none'}` };
    case 'network':
      return { result: 'pass', detail: 'allowed by route and key' };
    case 'scope':
      if (route?.scopes == null) return { result: 'skip', detail: 'the route asks for none' };
      return caller === null
        ? { result: 'skip', detail: 'no key' }
        : { result: 'pass', detail: `granted: ${caller.scopes.join(' ')}` };
    case 'limits':
      if (state.limits.length === 0) return { result: 'skip', detail: 'none apply' };
      return {
        result: 'pass',
        detail: state.limits
          .map(({ name, remaining, quota }) => `${name}: ${remaining} of ${quota} would be left`)
          .join('; '),
      };
    default:
      return { result: 'pass', detail: '' };
  }
}

function denialText(denial: Denial, state: RequestState): string {
  const { when } = ANSWERS[denial.code];
  const more = [
    denial.code === 'key_invalid' ? `the key is ${denial.reason}` : when,
    denial.code === 'network_denied' && `${state.client?.text} is not allowed by the ${denial.detail}`,
    denial.missing && `missing: ${denial.missing.join(' ')}`,
    denial.allow && `allowed: ${denial.allow.join(', ')}`,
    denial.violated && `used up: ${denial.violated.join(', ')}; again in ${denial.retryAfterS} s`,
  ];
  return more.filter(Boolean).join('; ');
}

function refusedTarget(flaw: string): Explanation {
  return {
    outcome: 'denied',
    status: ANSWERS.ambiguous_request.status,
    code: 'ambiguous_request',
    reason: 'ambiguous_request',
    route: null,
    checks: [{ check: 'target', result: 'deny', detail: `the path is ambiguous: ${flaw}` }],
  };
}
