// The kinds of values a field can take, each with the words that say what it takes. A message is the end of
// a sentence that begins with the field's path.
import { z } from 'zod';
import { parseHost, parseHostPort, isHostName } from '../core/host-port.ts';
import { KEY_ID_PATTERN } from '../core/key-record.ts';
import { parseCidr } from '../core/networks.ts';
import { parsePathPattern } from '../core/path-pattern.ts';
import { GRANT_PATTERN, SCOPE_PATTERN } from '../core/scopes.ts';
import { parseSecretReference } from '../secrets/reference.ts';
import { parseStoreUrl, STORE_URL_FORMS } from './store-url.ts';
import { DURATION_PATTERN, durationMs, EXPIRY_PATTERN, expiryMs, SIZE_PATTERN, sizeBytes } from './units.ts';

/** The error of a value of the wrong type, or of none. */
export function takes(what: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => {
    if (input === undefined) return `is missing; it takes ${what}`;
    return input === null ? `has no value; it takes ${what}` : `takes ${what}, not ${shown(input)}`;
  };
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value === '' ? 'an empty text' : `the text ${quoted(value)}`;
    case 'number':
      return `the number ${value}`;
    case 'boolean':
      return `the value ${value}`;
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? 'a list' : 'a mapping of fields';
    default:
      return `a ${typeof value}`;
  }
}

/** A text between quotation marks, cut short and with nothing in it that a terminal would obey. */
export function quoted(value: string): string {
  const cut = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return JSON.stringify(cut.toWellFormed()).replaceAll(/\p{Cc}/gu, '?');
}

/** Text of `least` to `most` characters. */
export function text(least: number, most: number) {
  const error = takes(`text of ${least} to ${most} characters`);
  return z.string({ error }).min(least, { error }).max(most, { error });
}

/** Text with a pattern; `what` says what the pattern takes. */
export function matching(title: string, pattern: RegExp, what: string) {
  const error = takes(what);
  return z.string({ error }).regex(pattern, { error }).meta({ title });
}

/** A whole number. */
export function whole(least: number, most: number) {
  const error = takes(`a whole number from ${least} to ${most}`);
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** `true` or `false`. */
export function truth() {
  return z.boolean({ error: takes('true or false') });
}

/** A list of any number of entries. */
export function list<T extends z.ZodType>(entry: T, what: string) {
  return z.array(entry, { error: takes(`a list of ${what}`) });
}

/** A list of `least` to `most` entries. */
export function boundedList<T extends z.ZodType>(entry: T, what: string, least: number, most: number) {
  const all = list(entry, what).max(most, {
    error: `has too many entries; it takes a list of ${what}, at most ${most}`,
  });
  return least === 0 ? all : all.min(least, { error: `is empty; it takes a list of ${what}, at least ${least}` });
}

/**
 * Text that a parser finds a problem with, or not.
 * @param outline a pattern that editors check; everything the parser takes matches it
 */
function parsed(title: string, what: string, outline: RegExp, problemOf: (value: string) => string | undefined) {
  return z
    .string({ error: takes(what) })
    .superRefine((value, context) => {
      const problem = problemOf(value);
      if (problem === undefined) return;
      // A URL that should have none may carry a password.
      const harmless = value.replace(/:\/\/[^/]*@/, '://…@');
      context.addIssue({ code: 'custom', message: `${quoted(harmless)} ${problem}` });
    })
    .meta({ title, pattern: outline.source });
}

/** A duration text that becomes ms. */
export function duration(least: number, most: number, bounds: string) {
  const what = `a duration of ${bounds}, like 250ms, 10s, 5m, 24h or 30d`;
  return matching(`duration, ${bounds}`, DURATION_PATTERN, what).transform((value, context): number => {
    const ms = durationMs(value) ?? Number.NaN;
    if (!(ms >= least && ms <= most))
      context.addIssue({ code: 'custom', message: `takes a duration of ${bounds}, and ${value} is outside` });
    return ms;
  });
}

/** A size text that becomes bytes. */
export function size(most: number, bounds: string) {
  return matching(`size, ${bounds}`, SIZE_PATTERN, `a size ${bounds}, like 512B, 16KiB, 10MiB or 1GiB`).transform(
    (value, context): number => {
      const bytes = sizeBytes(value) ?? Number.NaN;
      if (!(bytes <= most))
        context.addIssue({ code: 'custom', message: `takes a size ${bounds}, and ${value} is outside` });
      return bytes;
    },
  );
}

/** A date or time that becomes ms since the epoch. */
export const expiry = matching(
  'date',
  EXPIRY_PATTERN,
  'a date like 2027-12-31, or with time and zone like 2027-12-31T12:00:00Z',
).transform((value, context): number => {
  const at = expiryMs(value);
  if (at === undefined)
    context.addIssue({
      code: 'custom',
      message: `${quoted(value)} is no day of the calendar; write one like 2027-12-31`,
    });
  return at ?? Number.NaN;
});

/** What a role, plan, upstream, route or limit is called. */
export const name = matching(
  'name',
  /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/,
  '1 to 64 of a-z, 0-9, dot, dash and underscore, with a letter or digit at both ends',
);

export const keyId = matching(
  'key id',
  KEY_ID_PATTERN,
  '1 to 64 letters, digits, dots, dashes and underscores, with a letter or digit first',
);

export const headerName = matching(
  'header name',
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/,
  'a header name of 1 to 64 characters, like X-Api-Key',
);

export const cidr = parsed('CIDR', 'a CIDR like 10.0.0.0/8 or 2001:db8::/32', /^[0-9a-f.:]+\/\d{1,3}$/, (value) => {
  const result = parseCidr(value);
  return result.ok ? undefined : result.problem;
});

/** A scope that a route asks for. */
export const requiredScope = parsed('scope', 'a scope like orders:read', SCOPE_PATTERN, (value) => {
  if (SCOPE_PATTERN.test(value)) return undefined;
  if (GRANT_PATTERN.test(value)) return 'is granted to keys, never asked for; name the scope itself, like orders:read';
  return `is not a scope; ${SCOPE_HINT}, like orders:read${respelled(value, SCOPE_PATTERN)}`;
});

/** A scope that a key or role has. */
export const grantedScope = parsed('granted scope', 'a scope like orders:read or orders:*', GRANT_PATTERN, (value) =>
  GRANT_PATTERN.test(value)
    ? undefined
    : `is not a scope that can be granted; ${SCOPE_HINT}, like orders:read, orders:* or *${respelled(value, GRANT_PATTERN)}`,
);

const SCOPE_HINT = 'write segments of a-z, 0-9, dot, dash and underscore with colons between';

function respelled(value: string, pattern: RegExp): string {
  const candidate = value
    .trim()
    .toLowerCase()
    .replaceAll(/[\s/:]+/g, ':')
    .replaceAll(/^:|:$/g, '');
  return pattern.test(candidate) ? `; did you mean ${candidate}?` : '';
}

export const routePath = parsed('path pattern', 'a path like /orders/**', /^\//, (value) => {
  const pattern = parsePathPattern(value);
  return pattern.ok ? undefined : pattern.problem;
});

export const routeHost = parsed(
  'host name',
  'a host name like api.example.com or *.example.com',
  /^[^A-Z\s]+$/,
  (value) => {
    const host = value.replace(/^\*\./, '');
    if (isHostName(host) || (host === value && parseHost(host) !== undefined && host === host.toLowerCase()))
      return undefined;
    if (value !== value.toLowerCase()) return `is not in lower case; write ${value.toLowerCase()}`;
    if (/:\d*$/.test(value)) return 'has a port; routes match the name alone, so leave the port out';
    if (value.endsWith('.')) return 'ends with a dot; leave it out';
    return 'is not a host name; write one like api.example.com or *.example.com';
  },
);

export const listenAddress = parsed('host:port', 'host:port, like 127.0.0.1:8080', /:\d{1,5}$/, (value) => {
  const result = parseHostPort(value);
  return result.ok ? undefined : result.problem;
});

/** Where requests are sent: scheme, host and port, nothing else. */
export const httpOrigin = parsed('origin', 'an origin like http://127.0.0.1:3000', /^https?:\/\//, originProblem);

function originProblem(value: string): string | undefined {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is.exec(value);
  if (!match) return 'is not an origin; write http://host:port';
  const [, scheme = '', authority = '', rest = ''] = match;
  if (!/^https?$/.test(scheme)) return `has the scheme ${scheme}; write http:// or https://`;
  if (authority.includes('@'))
    return 'carries credentials; leave them out, because the upstream gets the identity headers';
  if (rest !== '')
    return `goes on behind the port; write ${scheme}://${authority}, because the path is the request's own`;
  const place = /:\d+$/.test(authority) ? parseHostPort(authority) : undefined;
  if (place ? place.ok && place.port > 0 : parseHost(authority) !== undefined) return undefined;
  return 'has no valid host and port; write it like http://127.0.0.1:3000 or http://[::1]:3000';
}

/** The problem never repeats the text: it may be a secret by mistake. */
export const secretReference = z
  .string({ error: 'takes a secret reference, env:NAME or file:PATH' })
  .superRefine((value, context) => {
    const reference = parseSecretReference(value);
    if (!reference.ok) context.addIssue({ code: 'custom', message: reference.problem });
  })
  .meta({ title: 'secret reference', pattern: '^(?:env|file):.' });

/** The problem never repeats the text: it may hold a password. */
export const storeUrl = z
  .string({ error: `takes a store URL, ${STORE_URL_FORMS}` })
  .superRefine((value, context) => {
    const store = parseStoreUrl(value);
    if (!store.ok) context.addIssue({ code: 'custom', message: store.problem });
  })
  .meta({ title: 'store URL', pattern: '^(?:sqlite|rediss?(?:\\+(?:sentinel|cluster))?):.' });
