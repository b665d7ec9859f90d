// Which store a URL names. Problems never repeat the URL, because it may hold a password.
import { isRedisScheme, parseRedisUrl, REDIS_URL_FORMS } from '../core/redis-url.ts';

export type ParsedStoreUrl = { readonly ok: true } | { readonly ok: false; readonly problem: string };

/** The forms a store URL takes, as the end of a sentence. */
export const STORE_URL_FORMS = `sqlite:PATH, ${REDIS_URL_FORMS.server}, ${REDIS_URL_FORMS.sentinel} or ${REDIS_URL_FORMS.cluster}`;

/** Checks `sqlite:PATH` and the forms of `REDIS_URL_FORMS`. */
export function parseStoreUrl(url: string): ParsedStoreUrl {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+]*):(.*)$/is.exec(url) ?? [];
  if (isRedisScheme(scheme)) return parseRedisUrl(url);
  if (scheme !== 'sqlite') return refused(`is not a store; write ${STORE_URL_FORMS}`);
  if (rest.startsWith('//')) return refused('has // behind sqlite:; write sqlite:PATH, like sqlite:data/portcullis.db');
  return rest === '' || rest.includes('\0')
    ? refused('names no file; write sqlite:PATH, like sqlite:data/portcullis.db')
    : { ok: true };
}

/** The URL with its password taken out, for people and for hashes. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z+]+:\/\/[^:@/]*):.*@/is, '$1:…@');
}

function refused(problem: string): ParsedStoreUrl {
  return { ok: false, problem };
}
