// Finds the credential in the raw fields and the query. There has to be exactly one: two, wherever they
// stand, could be read differently by whoever comes behind.
import { isField, withoutSpaceAround } from '../core/fields.ts';
import type { CredentialPlaces } from '../core/policy.ts';

/** The one credential's text, none, or more than one. */
export type Credential =
  | { readonly kind: 'one'; readonly text: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'many' };

export function readCredential(places: CredentialPlaces, rawHeaders: readonly string[], query: string): Credential {
  let text: string | undefined;
  let count = 0;
  let authorizations = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    let found: string | undefined;
    if (isField(name, places.header)) found = withoutSpaceAround(rawHeaders[at + 1]!);
    if (places.acceptsBearer && isField(name, 'authorization')) {
      authorizations++;
      found ??= bearerIn(rawHeaders[at + 1]!);
    }
    if (found === undefined) continue;
    text = found;
    count++;
  }
  if (places.query !== null && query !== '') {
    for (const value of queryValues(query, places.query)) {
      text = value;
      count++;
    }
  }
  if (text === undefined) return NONE;
  return count > 1 || authorizations > 1 ? MANY : { kind: 'one', text };
}

/** Takes the text of every credential out of the fields, in place; their names stay, and so does all that is none. */
export function wipeCredentials(places: CredentialPlaces, rawHeaders: string[]): void {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const isBearer =
      places.acceptsBearer && isField(name, 'authorization') && bearerIn(rawHeaders[at + 1]!) !== undefined;
    if (isBearer || isField(name, places.header)) rawHeaders[at + 1] = '';
  }
}

const NONE: Credential = { kind: 'none' };
const MANY: Credential = { kind: 'many' };
const BEARER = 'bearer';

/** What follows the scheme; undefined for another scheme. */
function bearerIn(field: string): string | undefined {
  const value = withoutSpaceAround(field);
  if (value.slice(0, BEARER.length).toLowerCase() !== BEARER) return undefined;
  const next = value.charAt(BEARER.length);
  return next === '' || next === ' ' || next === '\t' ? withoutSpaceAround(value.slice(BEARER.length)) : undefined;
}

/** Values of a parameter in a canonical query, one character a byte like a field's value. */
function queryValues(query: string, name: string): string[] {
  const values: string[] = [];
  for (const pair of query.slice(1).split('&')) {
    const equals = pair.indexOf('=');
    const key = equals === -1 ? pair : pair.slice(0, equals);
    if (decodeURIComponent(key) !== name) continue;
    const value = equals === -1 ? '' : decodeURIComponent(pair.slice(equals + 1));
    values.push(Buffer.from(value, 'utf8').toString('latin1'));
  }
  return values;
}
