// Who is calling: exactly one credential, well-formed, known, genuine, in force. Every way in which a key can
// be bad gets the same answer; the log and the metric have the reason.
import { classifyKeyText } from '../core/api-key.ts';
import { type Check, type Denial, deny, type Verdict } from '../core/decision.ts';
import { StoreFault } from '../core/fault.ts';
import { keyState, type KnownKey, type PresentedKey } from '../core/key-record.ts';
import type { Caller, HeldKey } from '../core/policy.ts';
import type { KeyFlaw } from '../core/reasons.ts';
import type { Accepted, CallerKnown, GuardPassed, KeyKnown, RouteKnown } from '../core/request.ts';
import type { AddressGuard } from './address-guard.ts';
import { readCredential } from './read-credential.ts';

/** Where keys are looked up by their text. */
export interface KeyFinder {
  /** What is known without asking anybody; undefined where the store has to be asked. */
  recall(text: string): HeldKey | 'absent' | undefined;
  /** Asks the store. @throws {StoreFault} where it cannot be asked */
  lookUp(text: string): Promise<PresentedKey | 'absent'>;
}

type Needs = Accepted & GuardPassed & RouteKnown;
type Learns = CallerKnown & KeyKnown;

export function authenticateKey(keys: KeyFinder, guard: AddressGuard): Check<Needs, Learns> {
  return (request, learn) => {
    const { policy, route, rawHeaders, target, source } = request;
    learn.caller = null;
    learn.key = null;
    learn.admission = request.isPreflight ? 'preflight' : 'public';
    if (request.isPreflight || route.access === 'public') return undefined;
    const credential = readCredential(policy.credentials, rawHeaders, target.query);
    if (credential.kind === 'none') return deny('key_missing');
    if (credential.kind === 'many') return deny('key_ambiguous');
    const { text } = credential;
    if (classifyKeyText(policy.credentials.prefix, text) === 'malformed')
      return failed('malformed', guard.failed(source));
    const recalled = keys.recall(text);
    if (recalled === undefined) return askStore(keys, guard, request, learn, text);
    const flaw = takeHolder(request, learn, recalled);
    if (flaw !== null) return failed(flaw, guard.failed(source));
    guard.passed(source);
    return undefined;
  };
}

/** The guard counts the attempt before the store is asked. */
async function askStore(
  keys: KeyFinder,
  guard: AddressGuard,
  request: Readonly<Needs>,
  learn: Learns,
  text: string,
): Promise<Verdict> {
  try {
    const { found: flaw, refusedMs } = await guard.attempt(
      request.source,
      async () => takeHolder(request, learn, await keys.lookUp(text)),
      (each) => each === null,
    );
    if (flaw === undefined) return blocked(refusedMs);
    if (flaw !== null) return failed(flaw, refusedMs);
    guard.passed(request.source);
    return undefined;
  } catch (fault) {
    if (fault instanceof StoreFault) return deny('store_unavailable', { retryAfterS: 1, detail: fault.message });
    throw fault;
  }
}

/** The holder of what was found, or what is wrong with it. */
export function judge(
  request: Pick<Accepted, 'policy' | 'acceptedAtMs'>,
  found: KnownKey | 'absent',
): Caller | KeyFlaw {
  if (found === 'absent') return 'unknown';
  const caller = request.policy.callerOf(found);
  const state = keyState(found, caller === 'undeclared' ? null : caller.expiresAt, request.acceptedAtMs);
  if (state !== 'active') return state;
  return caller;
}

/** Learns who holds what was found, or says what is wrong with it. */
function takeHolder(request: Readonly<Needs>, learn: Learns, found: PresentedKey | 'absent'): KeyFlaw | null {
  if (found === 'absent') return 'unknown';
  const judged = judge(request, found);
  if (typeof judged === 'string') return judged;
  learn.caller = judged;
  learn.key = found;
  learn.admission = 'key';
  return null;
}

function failed(flaw: KeyFlaw, refusedMs: number): Denial {
  return refusedMs > 0 ? blocked(refusedMs) : { code: 'key_invalid', reason: flaw };
}

function blocked(refusedMs: number): Denial {
  return deny('address_blocked', { retryAfterS: Math.max(1, Math.ceil(refusedMs / 1000)) });
}
