// The configuration's one schema (SPEC section 2). Types, the JSON Schema, the reference page and every
// error message are derived from it; nothing else says what a field may be.
import { z } from 'zod';
import { GRANT_PATTERN, SCOPE_PATTERN, type ScopeTerm } from '../core/scopes.ts';
import { parseCidr } from '../core/networks.ts';
import { KEY_ID_PATTERN } from '../core/key-record.ts';
import { durationMs, expiryMs, sizeBytes } from './units.ts';

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const NAME_HINT = 'takes 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins and ends with a letter or digit';
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;

/** Methods that a route may list. TRACE, CONNECT and unknown ones never pass. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const name = z.string().regex(NAME, NAME_HINT);

/** A duration text that becomes ms. */
function duration(least: number, most: number, bounds: string) {
  return z.string().transform((text, context): number => {
    const value = durationMs(text);
    if (value === undefined)
      context.addIssue({
        code: 'custom',
        message: `"${text}" is not a duration; write one like 250ms, 10s, 5m, 24h or 30d`,
      });
    else if (value < least || value > most)
      context.addIssue({ code: 'custom', message: `"${text}" is out of bounds; it takes ${bounds}` });
    return value ?? Number.NaN;
  });
}

/** A size text that becomes bytes. */
function size(most: number, bounds: string) {
  return z.string().transform((text, context): number => {
    const value = sizeBytes(text);
    if (value === undefined)
      context.addIssue({
        code: 'custom',
        message: `"${text}" is not a size; write one like 512B, 16KiB, 10MiB or 1GiB`,
      });
    else if (value > most)
      context.addIssue({ code: 'custom', message: `"${text}" is out of bounds; it takes ${bounds}` });
    return value ?? Number.NaN;
  });
}

const cidr = z.string().superRefine((text, context) => {
  const parsed = parseCidr(text);
  if (!parsed.ok) context.addIssue({ code: 'custom', message: `"${text}" ${parsed.problem}` });
});

const networks = z
  .strictObject({
    allow: z.array(cidr).default([]).describe('CIDRs that may pass; empty allows all.'),
    deny: z.array(cidr).default([]).describe('CIDRs that may not pass; deny wins.'),
  })
  .describe('Addresses, as canonical CIDRs. Key and route must both agree.');

const requiredScope = z
  .string()
  .regex(
    SCOPE_PATTERN,
    'is not a scope; write segments of a-z, 0-9, dot, dash and underscore with colons between, like orders:read',
  );
const grantedScope = z
  .string()
  .regex(GRANT_PATTERN, 'is not a scope that can be granted; write one like orders:read, orders:* or *');

const scopeTerm: z.ZodType<ScopeTerm> = z.lazy(() =>
  z.union([
    requiredScope,
    z.strictObject({ all: z.array(scopeTerm).min(1) }),
    z.strictObject({ any: z.array(scopeTerm).min(1) }),
  ]),
);
const scopeRequirement = z.union([
  z.array(scopeTerm).max(64),
  z.strictObject({ all: z.array(scopeTerm).min(1) }),
  z.strictObject({ any: z.array(scopeTerm).min(1) }),
]);

const DAY = 86_400_000;

const limit = z
  .strictObject({
    requests: z.int().min(1).max(1_000_000_000).describe('How many requests pass a period.'),
    per: duration(1_000, 366 * DAY, '1s to 366d').describe('The period, 1s to 366d.'),
    algorithm: z
      .enum(['sliding', 'fixed', 'bucket'])
      .default('sliding')
      .describe(
        '`sliding`: two weighted windows; `fixed`: windows aligned to UTC; `bucket`: `requests` a `per`, up to `burst` at once.',
      ),
    burst: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .optional()
      .describe('`bucket` only: how many pass at once. Default: `requests`.'),
    by: z.enum(['key', 'owner', 'address', 'route']).default('key').describe('What is counted apart.'),
  })
  .superRefine((value, context) => {
    if (value.burst !== undefined && value.algorithm !== 'bucket')
      context.addIssue({
        code: 'custom',
        path: ['burst'],
        message: 'belongs to the bucket algorithm; set algorithm: bucket or leave burst out',
      });
  });

const limits = z.record(name, limit).describe('Named limits; a request has to fit all of them.');

const secretReference = z.string().describe('Secret reference: `env:NAME` or `file:PATH`.');

const hostPort = z.string();
const httpOrigin = z.string();

const upstream = z.strictObject({
  targets: z
    .array(httpOrigin)
    .min(1)
    .max(256)
    .describe('Origins such as http://127.0.0.1:3000; several are used in turn while healthy.'),
  connectTimeout: duration(1, DAY, '1ms to 1d').prefault('1s').describe('To an open connection.'),
  responseTimeout: duration(1, DAY, '1ms to 1d').prefault('30s').describe("To the response's first byte."),
  idleTimeout: duration(1, DAY, '1ms to 1d').prefault('60s').describe('Between two bytes, either way.'),
  maxConnections: z.int().min(1).max(65_535).default(256).describe('Connections to each target.'),
  retries: z.int().min(0).max(10).default(1).describe('After a failed connection, before a byte was sent.'),
  health: z
    .strictObject({
      path: z
        .string()
        .regex(/^\/[\x21-\x7e]*$/, 'takes a path that begins with /')
        .describe('Asked with GET; 200 to 399 is healthy.'),
      every: duration(100, DAY, '100ms to 1d').prefault('5s').describe('Between two probes.'),
      unhealthyAfter: z.int().min(1).max(100).default(3).describe('Failed probes in a row.'),
      healthyAfter: z.int().min(1).max(100).default(2).describe('Good probes in a row.'),
    })
    .optional()
    .describe('Active health checks; without them every target counts as healthy.'),
});

const route = z.strictObject({
  path: z.string().describe('Segments are literal, `*` or `{name}` (one segment); a last `**` is any number.'),
  hosts: z.array(z.string()).max(256).default([]).describe('Host names, exact or `*.example.com`; empty for any.'),
  methods: z
    .array(z.enum(METHODS))
    .min(1)
    .default([...METHODS])
    .describe('Methods that pass.'),
  preflight: z.boolean().default(false).describe('Forward a CORS preflight without a key.'),
  upstream: name
    .optional()
    .describe('An upstream by name. Left out only in the middleware form, where the application forwards.'),
  access: z.enum(['key', 'public']).default('key').describe('`public` asks for no key.'),
  scopes: scopeRequirement
    .optional()
    .describe('A list asks for all of its scopes; or {any: […]}, {all: […, {any: […]}]}.'),
  networks: networks.optional(),
  limits: limits.optional(),
  cost: z.int().min(1).max(1_000_000).default(1).describe('How many requests one call counts as.'),
  maxBody: size(1024 ** 4, 'up to 1024GiB')
    .prefault('1GiB')
    .describe('Largest request body; it is streamed, never held.'),
  mode: z
    .enum(['enforce', 'observe'])
    .default('enforce')
    .describe('`observe` decides, logs and counts, but lets through; authentication is still required.'),
  upgrade: z
    .array(z.enum(['websocket']))
    .default([])
    .describe('Upgrades that pass.'),
});

const declaredKey = z.strictObject({
  owner: z.string().min(1).max(256).optional().describe('Who the key belongs to.'),
  name: z.string().min(1).max(256).optional().describe('A name for people.'),
  roles: z.array(name).default([]).describe('Roles by name.'),
  scopes: z.array(grantedScope).default([]).describe('Scopes beside those of the roles.'),
  networks: networks.optional(),
  plan: name.optional().describe('A plan by name.'),
  expires: z
    .string()
    .transform((text, context): number => {
      const at = expiryMs(text);
      if (at === undefined)
        context.addIssue({
          code: 'custom',
          message: `"${text}" is not a date; write 2027-12-31 or 2027-12-31T12:00:00Z`,
        });
      return at ?? Number.NaN;
    })
    .optional()
    .describe('Last moment: a date (its end, UTC) or a date with time.'),
});

const identityHeader = z.string().regex(HEADER_NAME, 'is not a header name').nullable();

/** The whole file. */
export const configSchema = z.strictObject({
  version: z.literal(1).describe('Version of this format.'),
  listen: z
    .strictObject({
      proxy: hostPort.default('127.0.0.1:8080').describe('The data plane.'),
      ops: hostPort.default('127.0.0.1:9464').describe('/metrics /livez /readyz.'),
      http: z
        .enum(['node', 'strict'])
        .default('node')
        .describe('What parses requests; `strict` is not in this version.'),
    })
    .prefault({})
    .describe('Addresses to listen at, host:port.'),
  trustedProxies: z.array(cidr).default([]).describe('CIDRs of proxies in front of this one; empty trusts nobody.'),
  workers: z
    .union([z.int().min(1).max(256), z.literal('auto')])
    .default(1)
    .describe('Processes that share the proxy port; only 1 in this version.'),
  store: z
    .strictObject({
      url: z
        .string()
        .default('sqlite:data/portcullis.db')
        .describe('`sqlite:PATH`, `redis://[user:pass@]host:port/db` or `rediss://…`.'),
      prefix: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,64}$/, 'takes 1 to 64 of letters, digits, dot, dash and underscore')
        .default('portcullis')
        .describe('First part of every Redis key.'),
      timeout: duration(1, 60_000, '1ms to 1m').prefault('100ms').describe('One store operation.'),
      maxStaleness: duration(1_000, 3_600_000, '1s to 1h')
        .prefault('10s')
        .describe('Longest time a cached key may be believed without hearing from the store.'),
    })
    .prefault({}),
  credentials: z
    .strictObject({
      header: z
        .string()
        .regex(HEADER_NAME, 'is not a header name')
        .default('x-api-key')
        .describe('Header that carries the key.'),
      bearer: z.boolean().default(true).describe('Also accept `Authorization: Bearer KEY`.'),
      query: z
        .string()
        .regex(/^[A-Za-z0-9._~-]{1,64}$/, 'takes 1 to 64 of letters, digits, dot, dash, underscore and tilde')
        .nullable()
        .default(null)
        .describe('Query parameter that carries the key; null for none.'),
      prefix: z
        .string()
        .regex(/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/, 'takes lower-case words joined by underscores, like ptc_live')
        .max(32)
        .default('ptc_live')
        .describe('First part of every key minted here.'),
      pepper: secretReference
        .default('file:data/pepper')
        .describe(
          'Secret reference, at least 32 bytes; made (mode 0600) if the store is sqlite and the file is missing.',
        ),
      previousPeppers: z
        .array(secretReference)
        .max(8)
        .default([])
        .describe('Still accepted; keys are rehashed at first use.'),
    })
    .prefault({}),
  guard: z
    .strictObject({
      failures: z.int().min(1).max(1_000_000).default(20).describe('Failed attempts that pass.'),
      per: duration(1_000, DAY, '1s to 1d').prefault('1m').describe('In this time.'),
      block: duration(1_000, 30 * DAY, '1s to 30d')
        .prefault('5m')
        .describe('How long an address is then blocked.'),
    })
    .prefault({})
    .describe('Failed attempts by IPv4 address or IPv6 /64.'),
  upstreams: z.record(name, upstream).default({}).describe('Where requests go, by name.'),
  roles: z.record(name, z.array(grantedScope)).default({}).describe('Scopes by role name.'),
  plans: z
    .record(
      name,
      z.strictObject({
        limits: limits.default({}),
        concurrency: z.int().min(1).max(1_000_000).optional().describe('Requests of one key under way at once.'),
      }),
    )
    .default({})
    .describe('Limits by plan name.'),
  routes: z.record(name, route).default({}).describe('Routes by name. What no route matches is answered 404.'),
  keys: z
    .record(
      z
        .string()
        .regex(
          KEY_ID_PATTERN,
          'takes 1 to 64 of letters, digits, dot, dash and underscore, and begins with a letter or digit',
        ),
      declaredKey,
    )
    .default({})
    .describe('What declared keys may do; secrets are never here.'),
  identityHeaders: z
    .strictObject({
      owner: identityHeader.default('X-Consumer-Id'),
      key: identityHeader.default('X-Credential-Identifier'),
      roles: identityHeader.default('X-Consumer-Groups'),
      scopes: identityHeader.default('X-Authenticated-Scope'),
    })
    .prefault({})
    .describe('Sent to the upstream; these names are always stripped from what clients send.'),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least level that is written.'),
      requests: z.enum(['all', 'denied']).default('all').describe('`denied` writes no line for what was let through.'),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      delay: duration(0, 3_600_000, '0s to 1h')
        .prefault('0s')
        .describe('How long new connections are still served while /readyz is 503.'),
      timeout: duration(0, 3_600_000, '0s to 1h').prefault('30s').describe('When the rest is cut.'),
    })
    .prefault({}),
});

/** The configuration with defaults filled in: durations in ms, sizes in bytes, dates in ms since the epoch. */
export type Config = z.output<typeof configSchema>;
export type RouteConfig = Config['routes'][string];
export type UpstreamConfig = Config['upstreams'][string];
export type LimitConfig = NonNullable<RouteConfig['limits']>[string];
export type DeclaredKeyConfig = Config['keys'][string];
