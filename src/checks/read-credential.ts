// Finds the credential in the raw fields and the query. There has to be exactly one: two, wherever they
// stand, could be read differently by whoever comes behind.
import { fieldValues, isField } from '../core/fields.ts';
import type { CredentialPlaces } from '../core/policy.ts';

/** The one credential's text, none, or more than one. */
export type Credential =
  | { readonly kind: 'one'; readonly text: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'many' };

export function readCredential(places: CredentialPlaces, rawHeaders: readonly string[], query: string): Credential {
  let text: string | undefined;
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const found = credentialIn(places, rawHeaders[at]!, rawHeaders[at + 1]!);
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
  if (
    count > 1 ||
    (places.acceptsBearer && text !== undefined && fieldValues(rawHeaders, 'authorization').length > 1)
  ) {
    return MANY;
  }
  return text === undefined ? NONE : { kind: 'one', text };
}

const NONE: Credential = { kind: 'none' };
const MANY: Credential = { kind: 'many' };
const BEARER = /^bearer(?:[ \t]+(.*))?$/is;

function credentialIn(places: CredentialPlaces, name: string, value: string): string | undefined {
  if (isField(name, places.header)) return value.trim();
  if (!places.acceptsBearer || !isField(name, 'authorization')) return undefined;
  const bearer = BEARER.exec(value.trim());
  return bearer ? (bearer[1] ?? '').trim() : undefined;
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
