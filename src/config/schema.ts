// The configuration's one schema (SPEC section 2). Types, the JSON Schema, the reference page and every
// error message are derived from it; nothing else says what a field may be.
import { z } from 'zod';
import type { ScopeTerm } from '../core/scopes.ts';
import {
  boundedList,
  cidr,
  duration,
  expiry,
  grantedScope,
  headerName,
  httpOrigin,
  keyId,
  list,
  listenAddress,
  matching,
  name,
  quoted,
  requiredScope,
  routeHost,
  routePath,
  secretReference,
  shown,
  size,
  storeUrl,
  takes,
  text,
  truth,
  whole,
} from './fields.ts';

/** Methods that a route may list. TRACE, CONNECT and unknown ones never pass. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const DAY = 86_400_000;

/** A mapping with these fields and no others. */
function fields<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.strictObject(shape, { error: takes('a mapping of fields') });
}

/** A mapping from names to values of one kind. */
function named<K extends z.core.$ZodRecordKey, V extends z.ZodType>(key: K, value: V, what: string) {
  return z.record(key, value, { error: takes(`a mapping from names to ${what}`) });
}

const networks = fields({
  allow: list(cidr, 'CIDRs').default([]).describe('CIDRs that may pass; empty allows all.'),
  deny: list(cidr, 'CIDRs').default([]).describe('CIDRs that may not pass; deny wins.'),
}).describe('Client addresses, as canonical CIDRs. Key and route must both agree.');

const SCOPE_TERMS = 'scopes, {all: […]} or {any: […]}';
const scopeTerm: z.ZodType<ScopeTerm> = z
  .lazy(() =>
    z.union([requiredScope, allOf, anyOf], { error: takes('a scope like orders:read, {all: […]} or {any: […]}') }),
  )
  .meta({ id: 'scopeTerm' });
const scopeTerms = boundedList(scopeTerm, SCOPE_TERMS, 1, 64);
const allOf = fields({ all: scopeTerms.describe('All of these.') });
const anyOf = fields({ any: scopeTerms.describe('At least one of these.') });
const scopeRequirement = z
  .union([boundedList(scopeTerm, SCOPE_TERMS, 0, 64), allOf, anyOf], {
    error: takes('a list of scopes, {all: […]} or {any: […]}'),
  })
  .meta({ title: 'scopes' });

const limit = fields({
  requests: whole(1, 1_000_000_000).describe('How many requests pass a period.'),
  per: duration(1_000, 366 * DAY, '1s to 366d').describe('The period.'),
  algorithm: z
    .enum(['sliding', 'fixed', 'bucket'])
    .default('sliding')
    .describe(
      '`sliding`: two weighted windows; `fixed`: windows aligned to UTC; `bucket`: `requests` a `per`, up to `burst` at once.',
    ),
  burst: whole(1, 1_000_000_000)
    .optional()
    .describe('`bucket` only: how many pass at once. Default: as many as `requests`.'),
  by: z
    .enum(['key', 'owner', 'address', 'route'])
    .default('key')
    .describe('What is counted apart: each key, owner, client address (IPv6 by /64), or the route as a whole.'),
}).superRefine((value, context) => {
  if (value.burst !== undefined && value.algorithm !== 'bucket')
    context.addIssue({
      code: 'custom',
      path: ['burst'],
      message: `belongs to the bucket algorithm, and this limit is ${value.algorithm}; set algorithm: bucket or leave burst out`,
    });
});

const limits = named(name, limit, 'limits').describe('Named limits; a request has to fit all of them.');

const upstream = fields({
  targets: boundedList(httpOrigin, 'origins like http://127.0.0.1:3000', 1, 256).describe(
    'Origins such as `http://127.0.0.1:3000`; several are used in turn while healthy.',
  ),
  connectTimeout: duration(1, DAY, '1ms to 1d').prefault('1s').describe('To an open connection.'),
  responseTimeout: duration(1, DAY, '1ms to 1d').prefault('30s').describe("To the response's first byte."),
  idleTimeout: duration(1, DAY, '1ms to 1d').prefault('60s').describe('Between two bytes, either way.'),
  maxConnections: whole(1, 65_535).default(256).describe('Connections to each target.'),
  retries: whole(0, 10).default(1).describe('Further attempts after a failed connection, before a byte was sent.'),
  health: fields({
    path: matching('URL path', /^\/[\x21\x22\x24-\x7e]*$/, 'a path that begins with /, like /healthz').describe(
      'Asked with GET; 200 to 399 is healthy.',
    ),
    every: duration(100, DAY, '100ms to 1d').prefault('5s').describe('Between two probes.'),
    unhealthyAfter: whole(1, 100).default(3).describe('Failed probes in a row.'),
    healthyAfter: whole(1, 100).default(2).describe('Good probes in a row.'),
  })
    .optional()
    .describe('Active health checks; without them every target counts as healthy.'),
});

const route = fields({
  path: routePath.describe('Segments are literal, `*` or `{name}` (one segment); a last `**` is any number, none too.'),
  hosts: boundedList(routeHost, 'host names', 0, 256)
    .default([])
    .describe('Host names, exact or `*.example.com`; empty for any. An exact name goes before a wildcard.'),
  methods: boundedList(z.enum(METHODS), 'methods', 1, METHODS.length)
    .default([...METHODS])
    .describe('Methods that pass. TRACE, CONNECT and unknown ones never do.'),
  preflight: truth().default(false).describe('Forward a CORS preflight without a key.'),
  upstream: name
    .optional()
    .describe('An upstream by name. Left out only in the middleware form, where the application forwards.'),
  access: z.enum(['key', 'public']).default('key').describe('`public` asks for no key.'),
  scopes: scopeRequirement
    .optional()
    .describe('A list asks for all of its scopes; or `{any: […]}`, `{all: […, {any: […]}]}`.'),
  networks: networks.optional(),
  limits: limits.optional(),
  cost: whole(1, 1_000_000).default(1).describe('How many requests one call counts as.'),
  maxBody: size(1024 ** 4, 'up to 1024GiB')
    .prefault('1GiB')
    .describe('Largest request body; it is streamed, never held.'),
  mode: z
    .enum(['enforce', 'observe'])
    .default('enforce')
    .describe('`observe` decides, logs and counts, but lets through; authentication is still required.'),
  upgrade: list(z.enum(['websocket']), 'protocols')
    .default([])
    .describe('Protocols that a request may upgrade to.'),
});

const declaredKey = fields({
  owner: text(1, 256).optional().describe('Who the key belongs to.'),
  name: text(1, 256).optional().describe('A name for people.'),
  roles: list(name, 'role names').default([]).describe('Roles by name.'),
  scopes: list(grantedScope, 'scopes').default([]).describe('Scopes beside those of the roles.'),
  networks: networks.optional(),
  plan: name.optional().describe('A plan by name.'),
  expires: expiry.optional().describe('Last moment: a date (its end, UTC) or a date with time and zone.'),
});

const workersError = takes('a whole number from 1 to 256, or auto');

const identityHeader = headerName.nullable();

/** The whole file. */
export const configSchema = fields({
  version: z.literal(1, { error: versionError }).describe('Version of this format.'),
  listen: fields({
    proxy: listenAddress.default('127.0.0.1:8080').describe('The data plane.'),
    ops: listenAddress.default('127.0.0.1:9464').describe('`/metrics`, `/livez`, `/readyz`.'),
    http: z
      .enum(['node', 'strict'])
      .superRefine((value, context) => {
        if (value === 'strict')
          context.addIssue({ code: 'custom', message: 'strict is not in this version; it takes node' });
      })
      .default('node')
      .describe("What parses requests: `node` is Node's own parser. `strict` is not in this version."),
  })
    .prefault({})
    .describe('Addresses to listen at, `host:port`. A change needs a restart.'),
  trustedProxies: list(cidr, 'CIDRs')
    .default([])
    .describe('CIDRs of proxies in front of this one, whose `X-Forwarded-For` is believed; empty trusts nobody.'),
  workers: z
    .union(
      [
        z.int({ error: workersError }).min(1, { error: workersError }).max(256, { error: workersError }),
        z.literal('auto'),
      ],
      { error: workersError },
    )
    .default(1)
    .describe('Processes that share the proxy port; `auto` is one a core. A change needs a restart.'),
  store: fields({
    url: storeUrl
      .default('sqlite:data/portcullis.db')
      .describe(
        '`sqlite:PATH`, `redis://[user:pass@]host:port/db`, `redis+sentinel://[user:pass@]h1:p1,h2:p2/NAME` or `redis+cluster://[user:pass@]h1:p1,h2:p2`; `rediss` for `redis` is the same over TLS.',
      ),
    prefix: matching('store prefix', /^[A-Za-z0-9._-]{1,64}$/, '1 to 64 letters, digits, dots, dashes and underscores')
      .default('portcullis')
      .describe('First part of every Redis key: letters, digits, dots, dashes and underscores.'),
    timeout: duration(1, 60_000, '1ms to 1m').prefault('100ms').describe('One store operation.'),
    maxStaleness: duration(1_000, 3_600_000, '1s to 1h')
      .prefault('10s')
      .describe('Longest time a cached key may be believed without hearing from the store.'),
  })
    .prefault({})
    .describe('Where keys, limits and failed attempts are kept. A change needs a restart.'),
  credentials: fields({
    header: headerName.default('x-api-key').describe('Header that carries the key.'),
    bearer: truth().default(true).describe('Also accept `Authorization: Bearer KEY`.'),
    query: matching(
      'parameter name',
      /^[A-Za-z0-9._~-]{1,64}$/,
      '1 to 64 letters, digits, dots, dashes, underscores and tildes, or null',
    )
      .nullable()
      .default(null)
      .describe('Query parameter that carries the key; `null` for none.'),
    prefix: matching(
      'key prefix',
      /^(?=.{1,32}$)[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/,
      'up to 32 characters of lower-case words joined by underscores, like ptc_live',
    )
      .default('ptc_live')
      .describe('First part of every key minted here: lower-case words joined by underscores.'),
    pepper: secretReference
      .default('file:data/pepper')
      .describe('At least 32 bytes; made (mode 0600) if the store is sqlite and the file is missing.'),
    previousPeppers: boundedList(secretReference, 'secret references', 0, 8)
      .default([])
      .describe('Still accepted; keys are rehashed at first use.'),
  })
    .prefault({})
    .describe('Where a request carries its key, and what hashes it.'),
  guard: fields({
    failures: whole(1, 1_000_000).default(20).describe('Failed attempts that pass.'),
    per: duration(1_000, DAY, '1s to 1d').prefault('1m').describe('In this time.'),
    block: duration(1_000, 30 * DAY, '1s to 30d')
      .prefault('5m')
      .describe('How long an address is then blocked.'),
  })
    .prefault({})
    .describe('Failed attempts, counted by IPv4 address or IPv6 /64 before any key is looked up.'),
  upstreams: named(name, upstream, 'upstreams').prefault({}).describe('Where requests go, by name.'),
  roles: named(name, list(grantedScope, 'scopes'), 'lists of scopes').default({}).describe('Scopes by role name.'),
  plans: named(
    name,
    fields({
      limits: limits.prefault({}),
      concurrency: whole(1, 1_000_000).optional().describe('Requests of one key under way at once.'),
    }),
    'plans',
  )
    .prefault({})
    .describe('Limits by plan name.'),
  routes: named(name, route, 'routes').prefault({}).describe('Routes by name. What no route matches is answered 404.'),
  keys: named(keyId, declaredKey, 'keys').prefault({}).describe('What declared keys may do; secrets are never here.'),
  identityHeaders: fields({
    owner: identityHeader.default('X-Consumer-Id').describe("The key's owner."),
    key: identityHeader.default('X-Credential-Identifier').describe("The key's id."),
    roles: identityHeader.default('X-Consumer-Groups').describe('Roles, with commas between.'),
    scopes: identityHeader.default('X-Authenticated-Scope').describe('Scopes, with spaces between.'),
  })
    .prefault({})
    .describe('Sent to the upstream; these names are always stripped from what clients send. `null` sends none.'),
  log: fields({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least level that is written.'),
    requests: z.enum(['all', 'denied']).default('all').describe('`denied` writes no line for what was let through.'),
  })
    .prefault({})
    .describe('What is written to standard output.'),
  shutdown: fields({
    delay: duration(0, 3_600_000, '0s to 1h')
      .prefault('0s')
      .describe('How long new connections are still served while `/readyz` is 503.'),
    timeout: duration(0, 3_600_000, '0s to 1h').prefault('30s').describe('When the rest is cut.'),
  })
    .prefault({})
    .describe('How the gateway ends on SIGTERM.'),
});

function versionError({ input }: { readonly input?: unknown }): string {
  if (input === undefined) return 'is missing; write version: 1';
  const isPlain = typeof input === 'number' || typeof input === 'boolean';
  const said = typeof input === 'string' ? quoted(input) : isPlain ? String(input) : shown(input);
  return `is ${said}, and 1 is the only version of this format; write version: 1`;
}

/** The configuration with defaults filled in: durations in ms, sizes in bytes, dates in ms since the epoch. */
export type Config = z.output<typeof configSchema>;
/** The configuration as a program writes it: as in the file, defaults left out. */
export type ConfigInput = z.input<typeof configSchema>;
export type RouteConfig = Config['routes'][string];
export type UpstreamConfig = Config['upstreams'][string];
export type LimitConfig = NonNullable<RouteConfig['limits']>[string];
export type DeclaredKeyConfig = Config['keys'][string];
