// Who is calling: exactly one credential, well-formed, known, genuine, in force. Every way in which a key can
// be bad gets the same answer; the log and the metric have the reason.
import { classifyKeyText } from '../core/api-key.ts';
import { BOUNDS } from '../core/bounds.ts';
import { type Check, type Denial, deny, type Verdict } from '../core/decision.ts';
import { StoreFault } from '../core/fault.ts';
import { keyState, type KnownKey, type PresentedKey } from '../core/key-record.ts';
import type { Caller, HeldKey } from '../core/policy.ts';
import { KEY_FLAWS, type KeyFlaw } from '../core/reasons.ts';
import type { Accepted, CallerKnown, ClientKnown, GuardPassed, KeyKnown, RouteKnown } from '../core/request.ts';
import type { AddressGuard } from './address-guard.ts';
import { readCredential } from './read-credential.ts';

/** Where keys are looked up by their text. */
export interface KeyFinder {
  /**
   * What is known without asking anybody: the key, or why the text is refused, as its place in KEY_FLAWS; undefined where the
   * store has to be asked. A number, because to look at a flaw's name takes a time of that name's own.
   */
  recall(text: string): HeldKey | number | undefined;
  /** Asks the store. @throws {StoreFault} where it cannot be asked */
  lookUp(text: string): Promise<PresentedKey | 'absent'>;
  /** Goes up with everything that may make what was looked up before untrue. */
  readonly changes: number;
  /** Has {@link recall} say for a short time that a text is refused; `asOf`: {@link changes} at its look-up. */
  refuse(text: string, flaw: KeyFlaw, asOf: number): void;
}

type Needs = Accepted & ClientKnown & GuardPassed & RouteKnown;
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
    if (typeof recalled === 'number') return failed(KEY_FLAWS[recalled]!, guard.failed(source));
    const flaw = takeHolder(request, learn, recalled);
    if (flaw !== null) {
      // One that was in force, and is not any more.
      keys.refuse(text, flaw, keys.changes);
      return failed(flaw, guard.failed(source));
    }
    noteGood(guard, request, learn);
    return undefined;
  };
}

/**
 * Notes a good key with the guard, where it may be used from the client's address: one that was stolen, and that is
 * bound to its owner's network, must not spare the thief's address.
 */
function noteGood(guard: AddressGuard, { client, source }: Readonly<Needs>, { caller }: Learns): void {
  if (caller?.networks.permits(client) === true) guard.passed(source);
}

/** The guard counts the attempt before the store is asked. */
async function askStore(
  keys: KeyFinder,
  guard: AddressGuard,
  request: Readonly<Needs>,
  learn: Learns,
  text: string,
): Promise<Verdict> {
  // Since then the policy that judges is in force.
  const asOf = keys.changes;
  const hold = holdBack();
  try {
    const { found: flaw, refusedMs } = await guard.attempt(
      request.source,
      async () => {
        const found = takeHolder(request, learn, await keys.lookUp(text));
        if (found !== null) keys.refuse(text, found, asOf);
        return found;
      },
      (each) => each === null,
    );
    if (flaw === undefined) return blocked(refusedMs);
    if (flaw === null) {
      noteGood(guard, request, learn);
      return undefined;
    }
    await hold.over;
    return failed(flaw, refusedMs);
  } catch (fault) {
    if (fault instanceof StoreFault) return deny('store_unavailable', { retryAfterS: 1, detail: fault.message });
    throw fault;
  } finally {
    hold.end();
  }
}

/**
 * Holds a refusal back until a fixed time after the question: a store that has a record takes longer to answer than one
 * that has none, and the record is then read and checked, and all of that must not tell whether there is one. It is
 * timed from before the store is asked, so when it is over does not depend on the answer.
 */
function holdBack(): { readonly over: Promise<void>; end(): void } {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, BOUNDS.refusalHoldMs);
  return { over, end: () => clearTimeout(timer) };
}

/** The holder of what was found, or what is wrong with it. */
export function judge(
  request: Pick<Accepted, 'policy' | 'acceptedAtMs'>,
  found: KnownKey | 'absent',
): Caller | KeyFlaw {
  if (found === 'absent') return 'unknown';
  // Whom a key belongs to is only worked out for one that is in force: a refusal must not take longer for it.
  const isHeld = 'compiled' in found;
  const flaw = keyState(found, isHeld ? null : request.policy.expiryOf(found), request.acceptedAtMs);
  if (flaw !== 'active') return flaw;
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

function failed(flaw: KeyFlaw, refusedMs: number | Promise<number>): Denial | Promise<Denial> {
  if (refusedMs instanceof Promise) return refusedMs.then((ms) => failed(flaw, ms));
  return refusedMs > 0 ? blocked(refusedMs) : { code: 'key_invalid', reason: flaw };
}

function blocked(refusedMs: number): Denial {
  return deny('address_blocked', { retryAfterS: Math.max(1, Math.ceil(refusedMs / 1000)) });
}
