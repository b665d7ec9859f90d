// Every answer the gateway gives by itself, in one catalogue (SPEC section 5). The answers table in
// docs/answers.md is this text, and a test holds the two together.

/** One row of the answers table. */
export interface Answer {
  readonly status: number;
  readonly title: string;
  /** When it is given, for the documentation. */
  readonly when: string;
  /** Whether the connection ends with it, because what follows on it cannot be trusted. */
  readonly closes?: boolean;
}

export const ANSWERS = {
  ambiguous_request: {
    status: 400,
    title: 'Ambiguous request',
    when: 'the request can be read in more than one way: its target, Host or framing',
    closes: true,
  },
  key_ambiguous: { status: 400, title: 'More than one API key', when: 'the request carries more than one credential' },
  key_missing: { status: 401, title: 'API key missing', when: 'the request carries no credential' },
  key_invalid: {
    status: 401,
    title: 'API key invalid',
    when: 'the key is malformed, unknown, disabled, revoked, expired or undeclared',
  },
  network_denied: {
    status: 403,
    title: 'Address not allowed',
    when: "the client's address is not allowed for the key or the route",
  },
  scope_missing: { status: 403, title: 'Scope missing', when: 'the key lacks a scope that the route asks for' },
  route_not_found: { status: 404, title: 'No such route', when: 'no route matches the host and path' },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    when: 'a route matches the path, but not with this method',
  },
  request_timeout: { status: 408, title: 'Request too slow', when: 'headers or body arrive too slowly', closes: true },
  body_too_large: { status: 413, title: 'Body too large', when: "the body is larger than the route's `maxBody`" },
  uri_too_long: { status: 414, title: 'Target too long', when: 'the request target is longer than the bound' },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    when: 'the request expects something other than `100-continue`',
  },
  upgrade_refused: {
    status: 426,
    title: 'Upgrade refused',
    when: 'the request asks for an upgrade that the route does not list',
  },
  rate_limited: { status: 429, title: 'Limit used up', when: 'a rate limit or quota is used up' },
  concurrency_exceeded: {
    status: 429,
    title: 'Too many requests at once',
    when: 'the key has as many requests under way as its plan allows',
  },
  address_blocked: { status: 429, title: 'Address blocked', when: 'too many failed attempts came from the address' },
  headers_too_large: { status: 431, title: 'Headers too large', when: 'the header section is larger than the bound' },
  internal_error: {
    status: 500,
    title: 'Internal error',
    when: 'the gateway itself has a defect; the log has the details',
  },
  upstream_unreachable: {
    status: 502,
    title: 'Upstream unreachable',
    when: 'the upstream refused or reset the connection',
  },
  upstream_invalid: { status: 502, title: 'Upstream answer invalid', when: "the upstream's answer is not HTTP" },
  store_unavailable: {
    status: 503,
    title: 'Store unavailable',
    when: 'the key store or the limits cannot be asked, and nothing fresh is cached',
  },
  no_healthy_target: { status: 503, title: 'No healthy target', when: 'every target of the upstream is unhealthy' },
  upstream_timeout: { status: 504, title: 'Upstream too slow', when: 'the upstream did not accept or answer in time' },
} as const satisfies Record<string, Answer>;

/** The `code` of a problem document. */
export type Code = keyof typeof ANSWERS;

/** Why a key was invalid: for the log and the metric, never for the caller. */
export const KEY_FLAWS = ['malformed', 'unknown', 'disabled', 'revoked', 'expired', 'undeclared'] as const;
export type KeyFlaw = (typeof KEY_FLAWS)[number];

/** On what ground a request was let through. */
export const ADMISSIONS = ['key', 'public', 'preflight'] as const;
export type Admission = (typeof ADMISSIONS)[number];

/** The `reason` label and log field: a code, or for `key_invalid` the flaw, or for what passed its ground. */
export type Reason = Exclude<Code, 'key_invalid'> | KeyFlaw | Admission;

/** The `outcome` label and log field. */
export const OUTCOMES = ['allowed', 'denied', 'observed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** All values of the `reason` label. */
export const REASONS: readonly Reason[] = [
  ...(Object.keys(ANSWERS) as Code[]).filter((code) => code !== 'key_invalid'),
  ...KEY_FLAWS,
  ...ADMISSIONS,
];
