// What the configuration means, compiled once into an immutable value. A reload swaps one reference; a
// request keeps the Policy it began with.
import type { KnownKey, PresentedKey } from './key-record.ts';
import type { Networks } from './networks.ts';
import type { LimitAlgorithm } from './ports.ts';
import type { GrantedScopes, ScopeRequirement } from './scopes.ts';
import type { Target } from './target.ts';

export interface Policy {
  /** Hash of the effective configuration, hex, for `portcullis_config_info`. */
  readonly hash: string;
  /** Proxies in front of this one. */
  readonly trustedProxies: Networks;
  readonly trustsProxies: boolean;
  readonly credentials: CredentialPlaces;
  readonly guard: GuardRule;
  readonly routes: RouteTable;
  /** Every route by name, in the order of the configuration. */
  readonly routeList: readonly Route[];
  readonly identity: IdentityHeaders;
  /** Who a key's holder is under this configuration; compiled once for a held key. `undeclared`: its declaration is gone. */
  callerOf(key: KnownKey | HeldKey): Caller | 'undeclared';
  /** When a key ends under this configuration, ms since the epoch, or null; without compiling who holds it. */
  expiryOf(key: KnownKey): number | null;
  /** Ids of the keys the configuration declares. */
  readonly declaredKeys: ReadonlySet<string>;
}

/** Where a credential may stand. */
export interface CredentialPlaces {
  /** Header name, lower case. */
  readonly header: string;
  readonly acceptsBearer: boolean;
  /** Query parameter name, or null. */
  readonly query: string | null;
  /** First part of minted keys. */
  readonly prefix: string;
}

export interface GuardRule {
  readonly failures: number;
  readonly perMs: number;
  readonly blockMs: number;
}

/** Header names the upstream is told who is calling with; null where a fact is not sent. */
export interface IdentityHeaders {
  readonly owner: string | null;
  readonly key: string | null;
  readonly roles: string | null;
  readonly scopes: string | null;
}

export interface Route {
  readonly name: string;
  /** Lower-case host patterns: exact, or `*.example.com`; empty for any. */
  readonly hosts: readonly string[];
  readonly path: string;
  readonly methods: readonly string[];
  readonly passesPreflight: boolean;
  /** Null in the middleware form. */
  readonly upstream: string | null;
  readonly access: 'key' | 'public';
  /** Null asks for none. */
  readonly scopes: ScopeRequirement | null;
  readonly networks: Networks;
  readonly limits: readonly Limit[];
  /** Whether one of them counts by address. */
  readonly countsAddress: boolean;
  readonly cost: number;
  readonly maxBodyBytes: number;
  readonly isObserved: boolean;
  /** Lower-case protocol names that an Upgrade may ask for. */
  readonly upgrades: readonly string[];
}

/** A named limit, compiled. */
export interface Limit {
  readonly name: string;
  readonly by: 'key' | 'owner' | 'address' | 'route';
  readonly algorithm: LimitAlgorithm;
  readonly requests: number;
  readonly periodMs: number;
  readonly burst: number;
  /** First part of the ids it counts under, unique to plan or route and name. */
  readonly idPrefix: string;
  /** Its item of `RateLimit-Policy`. */
  readonly policyItem: string;
}

export interface Plan {
  readonly name: string;
  readonly limits: readonly Limit[];
  /** Whether one of them counts by address. */
  readonly countsAddress: boolean;
  /** Whether one of them counts by route. */
  readonly countsRoute: boolean;
  /** Requests of one key under way at once; null for no bound. */
  readonly concurrency: number | null;
}

/** A key's holder, with all that the configuration and the record grant. */
export interface Caller {
  readonly keyId: string;
  readonly owner: string | null;
  readonly name: string | null;
  readonly roles: readonly string[];
  /** Own scopes and those of the roles, sorted, each once. */
  readonly scopes: readonly string[];
  readonly granted: GrantedScopes;
  readonly networks: Networks;
  readonly plan: Plan | null;
  /** Ms since the epoch, or null. */
  readonly expiresAt: number | null;
  /** Identity headers for the upstream: name, value, name, value. */
  readonly identityFields: readonly string[];
}

/**
 * A key that is held in memory, with what a policy made of it. A weak map from one to the other would do as well, but
 * each entry costs more than to compile the holder, most of it at garbage collection.
 */
export interface HeldKey extends PresentedKey {
  compiled: CompiledCaller | null;
}

export interface CompiledCaller {
  /** Whose work it is: nobody else may use it. */
  readonly by: object;
  readonly caller: Caller | 'undeclared';
}

/** What a look-up of host, path and method gives. */
export type RouteMatch =
  | { readonly kind: 'route'; readonly route: Route }
  | { readonly kind: 'preflight'; readonly route: Route }
  | { readonly kind: 'method'; readonly allow: readonly string[] }
  | { readonly kind: 'none' };

export interface RouteTable {
  /**
   * The most specific route for a request.
   * @param host Host field's value without port, lower case
   * @param preflightMethod `Access-Control-Request-Method` of a CORS preflight, else undefined
   */
  match(host: string, segments: readonly string[], method: string, preflightMethod: string | undefined): RouteMatch;
}

/** How somebody behind the decision reads paths: another table, and what it is asked for. */
export interface RouteReading {
  readonly routes: RouteTable;
  segmentsOf(target: Target): readonly string[];
}
