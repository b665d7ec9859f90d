// Where a key may stand and how: exactly one, exactly as it was given out, in the places that are configured; it ends
// here, whatever else the request has.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';

const { reader, admin, disabled } = KEYS;

/** A request with these field lines and no others. */
function bare(fields: string, target = '/open/a', rest = ''): string {
  return `${rest === '' ? 'GET' : 'POST'} ${target} HTTP/1.1\r\nHost: ${HOST}\r\n${fields}\r\n${rest}`;
}

function presents(fields: string, status: number, source: string, target = '/open/a'): KnownCase {
  return {
    name: `${JSON.stringify(fields)}${target === '/open/a' ? '' : ` for ${target}`}`,
    source,
    bytes: bare(fields === '' ? '' : `${fields}\r\n`, target),
    answers: [status],
    ...(status === 200 && { sees: [`GET ${target.replace(/[?&]key=[^&]*/, '').replace(/^([^?&]*)&/, '$1?')}`] }),
  };
}

/** Neither a key nor any field that could hold one is left. */
function noCredential(seen: readonly SeenRequest[]): void {
  for (const { head, fields } of seen) {
    assert.doesNotMatch(head, /attack-(?:reader|admin|disabled)-key-/i);
    const left = fields.filter(([name, value]) => /^x[-_.]api[-_.]key$/i.test(name) || /^\s*bearer\b/i.test(value));
    assert.deepEqual(left, [], 'a field for a credential');
  }
}

const ONE = 'SPEC section 4, exactly one credential';
const BEARER = 'RFC 6750 section 2.1';
const QUERY = 'RFC 6750 section 2.3';
const BASIC = Buffer.from(`user:${reader}`).toString('base64');

const KEY_TEXTS = [
  reader,
  disabled,
  'attack-reader-key-9999',
  reader.slice(0, -1),
  `${reader}1`,
  reader.toUpperCase(),
  ` ${reader}`,
  `${reader} `,
  `\t${reader}\t`,
  `\xa0${reader}`,
  `${reader}\xa0`,
  `${reader}\0`,
  `${reader}\x7f`,
  `"${reader}"`,
  `${reader},${admin}`,
  `${reader}, ${reader}`,
  `${reader};a=b`,
  `Bearer ${reader}`,
  reader.replace('k', '\xe2\x84\xaa'),
  reader.replaceAll('-', '\xe2\x80\x90'),
  reader.replace('-', '%2d'),
  'a'.repeat(512),
  'a'.repeat(513),
  'a'.repeat(9_000),
  'ptc_live_',
  `ptc_live_${'0'.repeat(49)}`,
  `ptc_live_${'\xff'.repeat(49)}`,
  '__proto__',
  'constructor-constructor',
  '* {portcullis}:key:reader',
  '',
  ' ',
];

/** Texts that open nothing, for places that are the application's own. */
const OTHERS = ['a', '', 'another-application-key', '"a"', 'a, b', '\xff', 'a'.repeat(600)];

const PLACES: readonly ((key: string) => string)[] = [
  (key) => `x-api-key: ${key}\r\n`,
  (key) => `X-API-Key:${key}\r\n`,
  (key) => `x_api_key: ${key}\r\n`,
  (key) => `X.Api.Key: ${key}\r\n`,
  (key) => `Authorization: Bearer ${key}\r\n`,
  (key) => `authorization: bEaReR \t ${key}\r\n`,
  (key) => `Authorization: Bearer\t${key}\r\n`,
  (key) => `Authorization: Bearer\xa0${key}\r\n`,
  (key) => `Authorization: \xa0Bearer ${key}\r\n`,
  (key) => `Authorization: Bearer, ${key}\r\n`,
  (key) => `Proxy-Authorization: Bearer ${key}\r\n`,
  () => 'Authorization: Bearer\r\n',
];
const OTHER_PLACES: readonly ((text: string) => string)[] = [
  (text) => `Authorization: Bearer${text}\r\n`,
  (text) => `Authorization: ApiKey ${text}\r\n`,
  (text) => `Authorization: Basic YTpi, Bearer ${text}\r\n`,
  (text) => `Authorization: Basic ${Buffer.from(`:${text}`, 'latin1').toString('base64')}\r\n`,
  (text) => `X-Auth-Token: ${text}\r\n`,
  (text) => `Cookie: key=${text}\r\n`,
];
const PARAMETERS = ['key', 'key', 'k%65y', '%6bey', 'ke%79'];
const OTHER_PARAMETERS = ['KEY', 'key%20', 'key[]', '%256bey', 'key%00', 'key;a', 'api_key', '%20key', 'key%3D', ''];

attackClass({
  name: 'credentials',
  why: 'HAProxy and nginx ask for no key and pass it on; here exactly one, exactly as given out, opens the door and stays outside of it.',
  settings: { credentials: { pepper: 'env:ACCEPTANCE_PEPPER', query: 'key' } },
  compares: ({ method, target, fields }) =>
    `${method} ${target}${fields.some(([, value]) => value.includes('-key-')) ? ' with the key' : ''}`,
  check: noCredential,
  known: [
    presents('', 401, ONE),
    presents(`x-api-key: ${reader}`, 200, ONE),
    presents(`x-api-key: ${reader}\r\nx-api-key: ${reader}`, 400, ONE),
    presents(`x-api-key: ${reader}\r\nX-API-KEY: ${admin}`, 400, ONE),
    presents(`x-api-key: ${admin}\r\nAuthorization: Bearer ${reader}`, 400, 'Kong issue, several auth plugins'),
    presents(`Authorization: Bearer ${reader}\r\nAuthorization: Bearer ${reader}`, 400, 'RFC 9110 section 11.6.2'),
    presents(`Authorization: Basic YTpi\r\nAuthorization: Bearer ${reader}`, 400, 'RFC 9110 section 11.6.2'),
    presents(`Authorization: Bearer ${reader}, Basic YTpi`, 401, 'RFC 9110 section 11.6.2'),
    presents(`Authorization: Basic ${BASIC}`, 401, 'RFC 7617 section 2'),
    presents(`x-api-key: ${reader}, ${admin}`, 401, 'RFC 9110 section 5.3'),
    presents(`x-api-key: ${reader},`, 401, 'RFC 9110 section 5.3'),
    presents('x-api-key:', 401, ONE),
    presents('Authorization: Bearer', 401, BEARER),
    presents('Authorization: Bearer ', 401, BEARER),
    presents(`Authorization: bearer ${reader}`, 200, 'RFC 9110 section 11.1'),
    presents(`Authorization: BEARER   ${reader}`, 200, BEARER),
    presents(`Authorization: Bearer\t${reader}`, 200, BEARER),
    presents(`Authorization: Bearer${reader}`, 401, BEARER),
    presents(`Authorization: "Bearer ${reader}"`, 401, BEARER),
    presents(`Authorization: Bearer ${reader}\r\nx-api-key:`, 400, ONE),
    presents(`Authorization: Bearer \r\nx-api-key: ${reader}`, 400, ONE),
    presents(`x-api-key: \t${reader}\t `, 200, 'RFC 9110 section 5.5'),
    presents(`x-api-key: \xa0${reader}`, 401, 'RFC 9110 section 5.6.3'),
    presents(`x-api-key: ${reader}\xa0`, 401, 'RFC 9110 section 5.6.3'),
    presents(`Authorization: Bearer ${reader}\xa0`, 401, 'RFC 9110 section 5.6.3'),
    presents(`x-api-key: ${reader}\0`, 400, 'CVE-2019-9900 (Envoy)'),
    presents(`x-api-key: ${reader}\x7f`, 400, 'RFC 9110 section 5.5'),
    presents(`x-api-key: ${reader.slice(0, -1)}`, 401, 'prefix of a key'),
    presents(`x-api-key: ${reader}1`, 401, 'a key and one more'),
    presents(`x-api-key: ${reader.toUpperCase()}`, 401, 'CWE-178'),
    presents(`x-api-key: ${reader.replace('k', '\xe2\x84\xaa')}`, 401, 'UAX 15, Unicode normalization'),
    presents(`x-api-key: ${reader.replace('-', '%2D')}`, 401, 'CWE-177'),
    presents(`x-api-key: ${disabled}`, 401, 'SPEC section 3'),
    presents(`x-api-key: ${'a'.repeat(513)}`, 401, 'SPEC section 3'),
    presents(`x-api-key: ${'a'.repeat(17 * 1024)}`, 431, 'RFC 6585 section 5'),
    presents(`x_api_key: ${reader}`, 401, 'RFC 3875 section 4.1.18'),
    presents(`Cookie: x-api-key=${disabled.slice(0, 9)}`, 401, 'RFC 6265 section 5.4'),
    presents('', 200, QUERY, `/open/a?key=${reader}`),
    presents('', 200, QUERY, `/open/a?a=b&key=${reader}`),
    presents('', 200, QUERY, `/open/a?key=${reader}&a=b`),
    { ...presents('', 200, 'RFC 3986 section 6.2.2', `/open/a?%6b%65y=${reader}`), sees: ['GET /open/a'] },
    {
      ...presents('', 200, 'RFC 3986 section 6.2.2', `/open/a?key=${reader.replace('-', '%2D')}`),
      sees: ['GET /open/a'],
    },
    presents('', 400, 'HTTP parameter pollution, Balduzzi 2009', `/open/a?key=${reader}&key=${reader}`),
    presents('', 400, 'HTTP parameter pollution, Balduzzi 2009', `/open/a?key=${admin}&k%65y=${reader}`),
    presents(`x-api-key: ${reader}`, 400, ONE, `/open/a?key=${admin}`),
    presents(`x-api-key: ${reader}`, 400, ONE, '/open/a?key'),
    presents(`Authorization: Bearer ${reader}`, 400, ONE, '/open/a?key='),
    presents('', 401, QUERY, `/open/a?KEY=a`),
    presents('', 401, 'PHP manual, variables from external sources', '/open/a?key[]=a'),
    presents('', 401, 'CVE-2021-23336 (Python), a semicolon between parameters', '/open/a?a=b;key=a'),
    presents('', 401, QUERY, `/open/a?key=${reader};a=b`),
    presents('', 401, QUERY, `/open/a?key=+${reader}`),
    presents('', 401, QUERY, `/open/a?key=${reader}%00`),
    presents('', 401, QUERY, '/open/key=a'),
    {
      name: 'a key in the body',
      source: 'RFC 6750 section 2.2',
      bytes: bare('Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n', '/open/a', 'key=a'),
      answers: [401],
    },
  ],
  generate: ({ below }) => {
    const any = <T>(items: readonly T[]): T => items[below(items.length)]!;
    const key = (): string => (below(2) ? any(KEY_TEXTS) : reader);
    const field = (): string => (below(3) ? any(PLACES)(key()) : any(OTHER_PLACES)(any(OTHERS)));
    const pair = (): string =>
      below(3) ? `${any(PARAMETERS)}=${queried(key())}` : `${any(OTHER_PARAMETERS)}=${queried(any(OTHERS))}`;
    const fields = Array.from({ length: below(3) }, field).join('');
    const pairs = Array.from({ length: below(3) }, pair);
    const query = pairs.length === 0 ? '' : `?${pairs.join(any(['&', '&', '&&', '&=&']))}`;
    return bare(fields, `${any(['/open/a', '/open/a', '/admin/a', '/public/a'])}${query}`);
  },
});

/** A key as it may stand in a query. */
function queried(key: string): string {
  return key.slice(0, 600).replaceAll(' ', '+');
}
