// Which Redis a URL names: one server, the primary that Sentinels know, or a Cluster. Problems never repeat the
// URL, because it may hold a password.
import { parseHost, parseHostPort } from './host-port.ts';

/** Where a Redis, a Sentinel or a node of a Cluster listens. */
export interface RedisPlace {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

interface RedisAccess {
  /** TLS to every server that is named or found. */
  readonly isTls: boolean;
  readonly credentials: RedisCredentials | undefined;
}

export interface RedisCredentials {
  /** Undefined for Redis's default user. */
  readonly user: string | undefined;
  readonly password: string;
}

/** One server. */
interface ServerUrl extends RedisAccess {
  readonly kind: 'server';
  readonly places: readonly [RedisPlace];
  readonly database: number;
}

/** Sentinels, and the name they know the primary by. */
interface SentinelUrl extends RedisAccess {
  readonly kind: 'sentinel';
  readonly places: readonly RedisPlace[];
  readonly primary: string;
  readonly database: number;
}

/** Some nodes of a Cluster; the others are found through them. */
interface ClusterUrl extends RedisAccess {
  readonly kind: 'cluster';
  readonly places: readonly RedisPlace[];
}

export type RedisUrl = ServerUrl | SentinelUrl | ClusterUrl;

/** A URL, or what is wrong with it and the cure, as the end of a sentence that begins with its name. */
export type ParsedRedisUrl =
  | { readonly ok: true; readonly url: RedisUrl }
  | { readonly ok: false; readonly problem: string };

/** How each kind of URL is written; with `rediss` for `redis` it is the same over TLS. */
export const REDIS_URL_FORMS = {
  server: 'redis://[user:pass@]host:port/db',
  sentinel: 'redis+sentinel://[user:pass@]host1:port1,host2:port2/NAME',
  cluster: 'redis+cluster://[user:pass@]host1:port1,host2:port2',
} as const;

const KINDS: ReadonlyMap<string, RedisUrl['kind']> = new Map([
  ['redis', 'server'],
  ['rediss', 'server'],
  ['redis+sentinel', 'sentinel'],
  ['rediss+sentinel', 'sentinel'],
  ['redis+cluster', 'cluster'],
  ['rediss+cluster', 'cluster'],
]);

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;

/** Parses a URL of a scheme that {@link isRedisScheme} knows. */
export function parseRedisUrl(url: string): ParsedRedisUrl {
  const [, scheme = '', rest = ''] = /^([a-z+]+):(.*)$/s.exec(url) ?? [];
  const kind = KINDS.get(scheme);
  if (kind === undefined) return refused(`is not a Redis URL; write ${REDIS_URL_FORMS.server}`);
  const form = REDIS_URL_FORMS[kind].replace(/^redis/, scheme.startsWith('rediss') ? 'rediss' : 'redis');
  const match = /^\/\/(?:(.*)@)?([^/?#@]*)(\/[^?#]*)?([?#].*)?$/s.exec(rest);
  if (!match) return refused(`is cut short; write ${form}`);
  const [, userInfo, authority = '', path = '', options] = match;
  if (userInfo !== undefined && !isUserInfo(userInfo, kind))
    return refused(
      'has a user or password with characters that a URL cannot hold; percent-encode them (/ is %2F, @ is %40, a comma %2C)',
    );
  if (options !== undefined) return refused(`has options behind a ? or #, and takes none; write ${form}`);
  const access = { isTls: scheme.startsWith('rediss'), credentials: credentialsOf(userInfo) };
  switch (kind) {
    case 'server':
      return serverUrl(authority, path, access, form);
    case 'sentinel':
      return sentinelUrl(authority, path, access, form);
    case 'cluster':
      return clusterUrl(authority, path, access, form);
  }
}

/** Whether a URL of this scheme, without its colon, names a Redis. */
export function isRedisScheme(scheme: string): boolean {
  return KINDS.has(scheme);
}

/** `host:port` as messages show it. */
export function placeText({ host, port }: RedisPlace): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function serverUrl(authority: string, path: string, access: RedisAccess, form: string): ParsedRedisUrl {
  if (authority.includes(','))
    return refused(
      `names several servers; write ${form} for one, ${REDIS_URL_FORMS.sentinel} for Sentinels or ${REDIS_URL_FORMS.cluster} for a Cluster`,
    );
  const place = placeOf(authority, REDIS_PORT);
  const database = databaseOf(path.slice(1));
  if (database === undefined) return refused(`has a database that is not a number; write ${form}`);
  if (!place) return refused(`has no valid host and port; write ${form}`);
  return { ok: true, url: { kind: 'server', places: [place], database, ...access } };
}

function sentinelUrl(authority: string, path: string, access: RedisAccess, form: string): ParsedRedisUrl {
  const places = placesOf(authority, SENTINEL_PORT);
  if (!places) return refused(`has a Sentinel without a valid host and port; write ${form}`);
  const [, primary = '', databaseText = ''] = path.split('/', 3);
  // The characters that Sentinel itself takes.
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(primary))
    return refused(`does not end with the name that the Sentinels know the primary by; write ${form}`);
  const database = path.split('/').length > 3 ? undefined : databaseOf(databaseText);
  if (database === undefined) return refused(`has a database that is not a number; write ${form} or …/NAME/db`);
  return { ok: true, url: { kind: 'sentinel', places, primary, database, ...access } };
}

function clusterUrl(authority: string, path: string, access: RedisAccess, form: string): ParsedRedisUrl {
  const places = placesOf(authority, REDIS_PORT);
  if (!places) return refused(`has a node without a valid host and port; write ${form}`);
  if (path !== '' && path !== '/')
    return refused(`goes on behind the nodes, and a Cluster has no databases to choose from; write ${form}`);
  return { ok: true, url: { kind: 'cluster', places, ...access } };
}

function placesOf(authority: string, defaultPort: number): RedisPlace[] | undefined {
  const places = authority.split(',').map((text) => placeOf(text, defaultPort));
  return places.every((place) => place !== undefined) ? places : undefined;
}

function placeOf(text: string, defaultPort: number): RedisPlace | undefined {
  if (/:\d+$/.test(text)) {
    const parsed = parseHostPort(text);
    return parsed.ok && parsed.port > 0 ? { host: parsed.host, port: parsed.port } : undefined;
  }
  const host = parseHost(text);
  return host === undefined ? undefined : { host, port: defaultPort };
}

function databaseOf(text: string): number | undefined {
  return /^\d{0,5}$/.test(text) ? Number(text) : undefined;
}

function credentialsOf(userInfo: string | undefined): RedisCredentials | undefined {
  if (userInfo === undefined || userInfo === '') return undefined;
  const [, user = '', password = ''] = /^([^:]*):?(.*)$/s.exec(userInfo) ?? [];
  return { user: user === '' ? undefined : decodeURIComponent(user), password: decodeURIComponent(password) };
}

/** A comma between hosts could be one in a password, so that one is to be encoded. */
function isUserInfo(text: string, kind: RedisUrl['kind']): boolean {
  if (/[/?#@\s]/.test(text) || (kind !== 'server' && text.includes(','))) return false;
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function refused(problem: string): ParsedRedisUrl {
  return { ok: false, problem };
}
