// Who is calling: exactly one credential, well-formed, known, genuine, in force. Every way in which a key can
// be bad gets the same answer; the log and the metric have the reason.
import { classifyKeyText } from '../core/api-key.ts';
import { type Check, type Denial, deny, type Verdict } from '../core/decision.ts';
import { StoreFault } from '../core/fault.ts';
import { keyState } from '../core/key-record.ts';
import type { Caller } from '../core/policy.ts';
import type { Found } from '../core/ports.ts';
import type { KeyFlaw } from '../core/reasons.ts';
import type { Accepted, CallerKnown, GuardPassed, RouteKnown } from '../core/request.ts';
import type { AddressGuard } from './address-guard.ts';
import { readCredential } from './read-credential.ts';

/** Where keys are looked up by their text. */
export interface KeyFinder {
  /** What is known without asking anybody; undefined where the store has to be asked. */
  recall(text: string): Found | undefined;
  /** Asks the store. @throws {StoreFault} where it cannot be asked */
  lookUp(text: string): Promise<Found>;
}

type Needs = Accepted & GuardPassed & RouteKnown;

export function authenticateKey(keys: KeyFinder, guard: AddressGuard): Check<Needs, CallerKnown> {
  return (request, learn) => {
    const { policy, route, rawHeaders, target, source } = request;
    learn.caller = null;
    learn.admission = request.isPreflight ? 'preflight' : 'public';
    if (request.isPreflight || route.access === 'public') return undefined;
    const credential = readCredential(policy.credentials, rawHeaders, target.query);
    if (credential.kind === 'none') return deny('key_missing');
    if (credential.kind === 'many') return deny('key_ambiguous');
    const { text } = credential;
    if (classifyKeyText(policy.credentials.prefix, text) === 'malformed')
      return failed('malformed', guard.failed(source));
    const recalled = keys.recall(text);
    if (recalled === undefined) return askStore(keys, guard, text, request, learn);
    const judged = judge(request, recalled);
    return typeof judged === 'string' ? failed(judged, guard.failed(source)) : passed(judged, guard, source, learn);
  };
}

async function askStore(
  keys: KeyFinder,
  guard: AddressGuard,
  text: string,
  request: Needs,
  learn: CallerKnown,
): Promise<Verdict> {
  const { source } = request;
  try {
    const { found, refusedMs } = await guard.attempt(
      source,
      async () => judge(request, await keys.lookUp(text)),
      (judged) => typeof judged !== 'string',
    );
    if (found === undefined) return blocked(refusedMs);
    return typeof found === 'string' ? failed(found, refusedMs) : passed(found, guard, source, learn);
  } catch (fault) {
    if (fault instanceof StoreFault) return deny('store_unavailable', { retryAfterS: 1, detail: fault.message });
    throw fault;
  }
}

function passed(caller: Caller, guard: AddressGuard, source: string, learn: CallerKnown): undefined {
  guard.passed(source);
  learn.caller = caller;
  learn.admission = 'key';
}

/** The holder of what was found, or what is wrong with it. */
export function judge(request: Pick<Accepted, 'policy' | 'acceptedAtMs'>, found: Found): Caller | KeyFlaw {
  if (found === 'absent') return 'unknown';
  const caller = request.policy.callerOf(found);
  const state = keyState(found, caller === 'undeclared' ? null : caller.expiresAt, request.acceptedAtMs);
  if (state !== 'active') return state;
  return caller;
}

function failed(flaw: KeyFlaw, refusedMs: number): Denial {
  return refusedMs > 0 ? blocked(refusedMs) : { code: 'key_invalid', reason: flaw };
}

function blocked(refusedMs: number): Denial {
  return deny('address_blocked', { retryAfterS: Math.max(1, Math.ceil(refusedMs / 1000)) });
}
