// Which store a URL names. Problems never repeat the URL, because it may hold a password.
import { parseHost, parseHostPort } from '../core/host-port.ts';

export type ParsedStoreUrl = { readonly ok: true } | { readonly ok: false; readonly problem: string };

/** Checks `sqlite:PATH`, `redis://[user:pass@]host[:port][/db]` and `rediss://…`. */
export function parseStoreUrl(url: string): ParsedStoreUrl {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+]*):(.*)$/is.exec(url) ?? [];
  switch (scheme) {
    case 'sqlite':
      if (rest.startsWith('//'))
        return refused('has // behind sqlite:; write sqlite:PATH, like sqlite:data/portcullis.db');
      return rest === '' || rest.includes('\0')
        ? refused('names no file; write sqlite:PATH, like sqlite:data/portcullis.db')
        : { ok: true };
    case 'redis':
    case 'rediss':
      return redisProblem(scheme, rest);
    case 'redis+sentinel':
    case 'redis+cluster':
      return refused(`${scheme}:// is not in this version; write redis://host:port/db or rediss://host:port/db`);
    default:
      return refused('is not a store; write sqlite:PATH, redis://host:port/db or rediss://host:port/db');
  }
}

/** The URL with its password taken out, for people and for hashes. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z+]+:\/\/[^:@/]*):.*@/is, '$1:…@');
}

function redisProblem(scheme: string, rest: string): ParsedStoreUrl {
  const form = `${scheme}://[user:pass@]host:port/db`;
  const match = /^\/\/(?:(.*)@)?([^/?#@]*)(\/[^?#]*)?([?#].*)?$/s.exec(rest);
  if (!match) return refused(`is cut short; write ${form}`);
  const [, userInfo = '', authority = '', path = '', options] = match;
  if (/[/?#@\s]/.test(userInfo) || !isPercentEncoded(userInfo))
    return refused(
      `has a user or password with characters that a URL cannot hold; percent-encode them (/ is %2F, @ is %40)`,
    );
  if (options !== undefined) return refused(`has options behind a ? or #, and takes none; write ${form}`);
  if (!/^(?:\/\d{0,5})?$/.test(path)) return refused(`has a database that is not a number; write ${form}`);
  const place = /:\d+$/.test(authority) ? parseHostPort(authority) : undefined;
  if (place ? place.ok && place.port > 0 : parseHost(authority) !== undefined) return { ok: true };
  return refused(`has no valid host and port; write ${form}`);
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function refused(problem: string): ParsedStoreUrl {
  return { ok: false, problem };
}
