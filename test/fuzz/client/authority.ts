// What a client's request is allowed to become, worked out from the contract and nothing of the gateway's own code:
// the canonical path and query, who is asking, and the fields that may pass.
import { type Fields, optionsOf, valuesOf } from '../strict/lines.ts';
import type { StrictRequest } from '../strict/requests.ts';
import { KEYS, ROUTES, type SceneKey, type SceneRoute } from './scene.ts';

/** A request as it may reach the upstream. */
export interface Authorised {
  readonly method: string;
  readonly target: string;
  /** Null where no key was needed. */
  readonly key: SceneKey | null;
  readonly route: string;
  /** Fields that may pass, as sent. */
  readonly fields: Fields;
}

/** What the request may become; undefined where nothing of it may reach the upstream. */
export function authorised(request: StrictRequest): Authorised | undefined {
  const { method, fields } = request;
  const target = canonical(request);
  if (target === undefined) return undefined;
  const found = routeOf(target.path, method);
  if (!found) return undefined;
  const [route, rule] = found;
  const wantsUpgrade = request.isUpgrade && method !== 'CONNECT';
  if (wantsUpgrade && !rule.upgrade) return undefined;
  const query = target.query.filter((pair) => nameOf(pair) !== 'api_key');
  const sent = {
    method,
    target: target.path + (query.length === 0 ? '' : `?${query.join('&')}`),
    route,
    fields: passing(fields),
  };
  if (rule.isPublic) return { ...sent, key: null };
  const isPreflight =
    method === 'OPTIONS' &&
    ['origin', 'access-control-request-method'].every((name) => valuesOf(fields, name).length > 0);
  if (rule.preflight && isPreflight) return { ...sent, key: null };
  const presented = credentialsOf(fields, target.query);
  const key = presented.length === 1 ? KEYS.find(({ secret }) => secret === presented[0]) : undefined;
  return key && rule.scope !== null && key.scopes.includes(rule.scope) ? { ...sent, key } : undefined;
}

/** A name as a careless upstream may read it. */
export function evenName(name: string): string {
  return name.toLowerCase().replaceAll(/[_.]/g, '-');
}

function routeOf(path: string, method: string): [string, SceneRoute] | undefined {
  return Object.entries(ROUTES).find(([, { path: pattern, methods }]) => {
    const prefix = pattern.replace('/**', '');
    // A slash at the end makes no other path.
    const isThere = pattern.endsWith('/**')
      ? path === prefix || path.startsWith(`${prefix}/`)
      : path.replace(/\/$/, '') === pattern;
    return isThere && methods.includes(method);
  });
}

/** Path, and query in pairs, in the one spelling of RFC 3986 section 6.2.2; undefined where SPEC 4.1 refuses. */
function canonical({ target, fields }: StrictRequest): { path: string; query: string[] } | undefined {
  const hosts = valuesOf(fields, 'host');
  if (hosts.length !== 1 || !/^[a-z0-9._[\]:-]+$/i.test(hosts[0]!)) return undefined;
  const absolute = /^https?:\/\/([^/?#]+)([^]*)$/i.exec(target);
  if (absolute && absolute[1]!.toLowerCase() !== hosts[0]!.toLowerCase()) return undefined;
  const [, , rest = ''] = absolute ?? [];
  const origin = absolute ? (rest.startsWith('/') ? rest : `/${rest}`) : target;
  if (!/^\/[\x21-\x7e]*$/.test(origin) || origin.includes('#') || /%(?![0-9a-f]{2})/i.test(origin)) return undefined;
  const spelled = origin.replaceAll(/%[0-9a-f]{2}/gi, (encoded) => {
    const letter = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(letter) ? letter : encoded.toUpperCase();
  });
  const [path = '', ...queries] = spelled.split('?');
  if (/[\\;]|\/\/|\/\.{1,2}(?:\/|$)|%(?:[01][0-9A-F]|2F|5C|7F)/.test(path) || !isUtf8(spelled)) return undefined;
  return { path, query: queries.length === 0 ? [] : queries.join('?').split('&') };
}

function isUtf8(spelled: string): boolean {
  try {
    return decodeURIComponent(spelled) !== '';
  } catch {
    return false;
  }
}

function nameOf(pair: string): string {
  return pair.split('=', 1)[0]!;
}

/** Every text that stands where a credential may. */
function credentialsOf(fields: Fields, query: readonly string[]): string[] {
  const bearers = valuesOf(fields, 'authorization').flatMap(
    (value) => /^bearer(?:[ \t]+(.*))?$/i.exec(value)?.slice(1) ?? [],
  );
  const pairs = query
    .filter((pair) => nameOf(pair) === 'api_key')
    .map((pair) => decodeURIComponent(pair.slice('api_key='.length)));
  return [...valuesOf(fields, 'x-api-key'), ...bearers, ...pairs];
}

/** Hop-by-hop fields, those that the gateway writes itself, and those that mislead (SPEC section 4). */
const NEVER = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'proxy-authorization',
  'proxy-authenticate',
  'host',
  'content-length',
  'expect',
  'x-request-id',
  'forwarded',
  'x-forwarded',
  'x-original-url',
  'x-rewrite-url',
  'x-api-key',
  'x-consumer-id',
  'x-credential-identifier',
  'x-consumer-groups',
  'x-authenticated-scope',
]);

/** The fields that may pass; the gateway may drop more. */
function passing(fields: Fields): Fields {
  const named = new Set(optionsOf(fields, 'connection').map(evenName));
  const kept: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at]!, fields[at + 1]!];
    const even = evenName(name);
    if (NEVER.has(even) || even.startsWith('x-forwarded-') || named.has(even)) continue;
    if (even === 'authorization' && /^bearer(?:[ \t]|$)/i.test(value)) continue;
    kept.push(name, value);
  }
  return kept;
}
