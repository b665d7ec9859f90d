// What a front saw of a request, and what the checks add to it. Each check names in its type what it needs
// of these and what it learns, so that only the right order compiles.
import type { Address } from './address.ts';
import type { LimitReport } from './decision.ts';
import type { PresentedKey } from './key-record.ts';
import type { Caller, Policy, Route } from './policy.ts';
import type { Admission } from './reasons.ts';
import type { Target } from './target.ts';

/** A request as accepted: well-formed, its target canonical, nothing decided. */
export interface Accepted {
  readonly id: string;
  readonly policy: Policy;
  /** When it was accepted, ms since the epoch. */
  readonly acceptedAtMs: number;
  readonly method: string;
  readonly target: Target;
  /** The Host field's value, lower case, as sent. */
  readonly host: string;
  /** Name, value, name, value, as received; one character a byte. */
  readonly rawHeaders: readonly string[];
  readonly peer: Address;
  /** Protocols that an Upgrade asks for, lower case; empty without one. */
  readonly upgrades: readonly string[];
  /** The declared length of the body, bytes; 0 without a body, null where it is chunked. */
  readonly contentLength: number | null;
}

/** After identify-client. */
export interface ClientKnown {
  client: Address;
  /** The part of `X-Forwarded-For` that is believed, in order, without the peer. */
  forwardedFor: readonly string[];
  /** How the client reached the outermost trusted proxy, or this gateway. */
  proto: 'http' | 'https';
}

/** After match-route. */
export interface RouteKnown {
  route: Route;
  isPreflight: boolean;
}

/** After authenticate-key. */
export interface CallerKnown {
  /** Null on a public route and for a preflight. */
  caller: Caller | null;
  admission: Admission;
}

/** After authenticate-key, where the key itself is of interest. */
export interface KeyKnown {
  /** What the caller was made from; null without one. */
  key: PresentedKey | null;
}

/** After admit-limits. */
export interface LimitsKnown {
  limits: readonly LimitReport[];
  /** Value of `RateLimit-Policy`, of the same limits in their order; empty without any. */
  limitPolicy: string;
  /** Gives back the seat that the request holds; to be called when it has ended. */
  release: (() => void) | null;
}

/** After guard-address. */
export interface GuardPassed {
  /** What the guard counts attempts by. */
  source: string;
}
