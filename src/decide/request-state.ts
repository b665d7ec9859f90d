// One request on its way through the checks: what was seen of it, and room for all that they learn. One
// shape for all requests, so that every check reads plain fields.
import { wipeCredentials } from '../checks/read-credential.ts';
import type { Address } from '../core/address.ts';
import type { LimitReport } from '../core/decision.ts';
import type { PresentedKey } from '../core/key-record.ts';
import type { Caller, Policy, Route } from '../core/policy.ts';
import type { Admission } from '../core/reasons.ts';
import type {
  Accepted,
  CallerKnown,
  ClientKnown,
  GuardPassed,
  KeyKnown,
  LimitsKnown,
  RouteKnown,
} from '../core/request.ts';
import type { Target } from '../core/target.ts';

/** Everything that may be known of a request; what a check learns is null until it ran. */
export class RequestState implements Accepted {
  readonly id: string;
  readonly policy: Policy;
  readonly acceptedAtMs: number;
  readonly method: string;
  target: Target;
  readonly host: string;
  readonly rawHeaders: readonly string[];
  readonly peer: Address;
  readonly upgrades: readonly string[];
  readonly contentLength: number | null;
  client: Address | null = null;
  forwardedFor: readonly string[] = [];
  proto: 'http' | 'https' = 'http';
  source: string | null = null;
  route: Route | null = null;
  isPreflight = false;
  caller: Caller | null = null;
  key: PresentedKey | null = null;
  admission: Admission = 'public';
  limits: readonly LimitReport[] = [];
  limitPolicy = '';
  release: (() => void) | null = null;

  constructor(seen: Accepted) {
    this.id = seen.id;
    this.policy = seen.policy;
    this.acceptedAtMs = seen.acceptedAtMs;
    this.method = seen.method;
    this.target = seen.target;
    this.host = seen.host;
    this.rawHeaders = seen.rawHeaders;
    this.peer = seen.peer;
    this.upgrades = seen.upgrades;
    this.contentLength = seen.contentLength;
  }

  /** Lets go of the presented key's text, in the fields and in the query, for as long as the request lasts. */
  forgetCredential(): void {
    const { credentials } = this.policy;
    wipeCredentials(credentials, this.rawHeaders as string[]);
    if (credentials.query !== null) this.target = { ...this.target, query: '' };
  }
}

/** A request that was let through. */
export type Admitted = RequestState & ClientKnown & GuardPassed & RouteKnown & CallerKnown & KeyKnown & LimitsKnown;
