// The canonical request target. It is parsed once from the raw request line; what is matched,
// authorised, limited, logged and forwarded is this value, and the raw text is not used again.
// Ambiguous input is refused, not repaired (RFC 3986 sections 2.3, 6.2.2 and 3.3; RFC 9112 section 3.2).

/** A request target in its one spelling. */
export interface Target {
  /** The path: unreserved characters decoded, other percent-encodings in upper case. */
  readonly path: string;
  /** The query with its `?`, spelled by the same rule, or the empty string. */
  readonly query: string;
  /** The path's segments, wholly decoded, without the empty one behind a last slash. Never has `/`, `\` or a dot segment. */
  readonly segments: readonly string[];
}

/** What made a target ambiguous: a closed set, for the log. */
export type TargetFlaw =
  | 'form'
  | 'authority'
  | 'character'
  | 'percent_encoding'
  | 'utf8'
  | 'dot_segment'
  | 'empty_segment'
  | 'encoded_separator'
  | 'encoded_control'
  | 'parameter'
  | 'fragment'
  | 'backslash';

export type ParsedTarget = Target | { readonly flaw: TargetFlaw };

/**
 * Parses a raw request target.
 * @param raw the target as it stood in the request line, one character a byte
 * @param host the Host field's value, which an absolute-form target has to agree with
 */
export function parseTarget(raw: string, host: string): ParsedTarget {
  const origin = raw.charCodeAt(0) === SLASH ? raw : originForm(raw, host);
  if (typeof origin !== 'string') return origin;
  const queryAt = origin.indexOf('?');
  const rawPath = queryAt === -1 ? origin : origin.slice(0, queryAt);
  const rawQuery = queryAt === -1 ? '' : origin.slice(queryAt);
  const query = rawQuery.length === 0 || PLAIN_QUERY.test(rawQuery) ? rawQuery : canonicalQuery(rawQuery);
  if (typeof query !== 'string') return query;
  return PLAIN_PATH.test(rawPath) ? plainTarget(rawPath, query) : encodedTarget(rawPath, query);
}

const SLASH = 0x2f;
/** Nothing to decode and nothing to refuse but dots and doubled slashes. */
const PLAIN_PATH = /^[A-Za-z0-9/._~!$&'()*+,=:@-]*$/;
const PLAIN_QUERY = /^[\x21\x22\x24\x26-\x7e]*$/;
const PATH_CHARACTERS = /^[\x21-\x7e]*$/;
const ENCODED = /%([0-9A-Fa-f]{2})/g;
const STRAY_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const UNRESERVED = /[A-Za-z0-9._~-]/;

function plainTarget(path: string, query: string): ParsedTarget {
  const segments = segmentsOf(path);
  const flaw = segmentFlaw(segments);
  return flaw ? { flaw } : { path, query, segments };
}

function encodedTarget(raw: string, query: string): ParsedTarget {
  if (raw.includes('\\')) return { flaw: 'backslash' };
  if (raw.includes('#')) return { flaw: 'fragment' };
  if (raw.includes(';')) return { flaw: 'parameter' };
  if (!PATH_CHARACTERS.test(raw)) return { flaw: 'character' };
  if (STRAY_PERCENT.test(raw)) return { flaw: 'percent_encoding' };
  const path = respell(raw);
  for (const [, digits = ''] of path.matchAll(ENCODED)) {
    const byte = Number.parseInt(digits, 16);
    if (byte === SLASH || byte === 0x5c) return { flaw: 'encoded_separator' };
    if (byte < 0x20 || byte === 0x7f) return { flaw: 'encoded_control' };
  }
  const decoded = decode(path);
  if (decoded === undefined) return { flaw: 'utf8' };
  const segments = segmentsOf(decoded);
  const flaw = segmentFlaw(segments) ?? (C1_CONTROL.test(decoded) ? 'encoded_control' : undefined);
  return flaw ? { flaw } : { path, query, segments };
}

const C1_CONTROL = /[\u0080-\u009f]/;

function canonicalQuery(raw: string): string | { flaw: TargetFlaw } {
  if (raw.includes('#')) return { flaw: 'fragment' };
  if (!PATH_CHARACTERS.test(raw)) return { flaw: 'character' };
  if (STRAY_PERCENT.test(raw)) return { flaw: 'percent_encoding' };
  const query = respell(raw);
  return decode(query) === undefined ? { flaw: 'utf8' } : query;
}

/** Decodes percent-encoded unreserved characters and writes all others in upper case (RFC 3986 section 6.2.2). */
function respell(text: string): string {
  return text.replace(ENCODED, (encoded, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return UNRESERVED.test(character) ? character : encoded.toUpperCase();
  });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function segmentsOf(path: string): string[] {
  const segments = path.split('/');
  segments.shift();
  if (segments.at(-1) === '') segments.pop();
  return segments;
}

function segmentFlaw(segments: readonly string[]): TargetFlaw | undefined {
  for (const segment of segments) {
    if (segment === '') return 'empty_segment';
    if (segment === '.' || segment === '..') return 'dot_segment';
  }
  return undefined;
}

/** An absolute-form target's path and query (RFC 9112 section 3.2.2), if its authority is the Host field's. */
function originForm(raw: string, host: string): string | { flaw: TargetFlaw } {
  const match = /^https?:\/\/([^/?#]*)(.*)$/is.exec(raw);
  if (!match) return { flaw: 'form' };
  const [, authority = '', rest = ''] = match;
  if (authority === '' || authority.toLowerCase() !== host.toLowerCase()) return { flaw: 'authority' };
  return rest.startsWith('/') ? rest : `/${rest}`;
}
