// Fields by which a client would say who it is: whatever spells the name of one of ours, as some server behind may read
// it, must not reach the upstream but from us.
import assert from 'node:assert/strict';
import { attackClass, type AttackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, READER } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { request } from './harness/ways.ts';
import type { SeededNumbers } from '../support/seeded-numbers.ts';

/** What a client says it is. */
const FORGED = 'root';
const PUBLIC = `GET /public/a HTTP/1.1\r\nHost: ${HOST}\r\n`;

const DEFAULTS = ['X-Consumer-Id', 'X-Credential-Identifier', 'X-Consumer-Groups', 'X-Authenticated-Scope'];
const OWN = { owner: 'X-2nd-Tenant', key: '1-Key-9', roles: '-Roles-', scopes: 'Z_Scope.s' };
const OTHERS = ['X-Api-Key', 'X-Original-URL', 'X-Original-URI', 'X-Original-Method', 'X-Rewrite-URL', 'X-Request-Id'];

/** Fields by which nothing behind may be told anything, however they are spelled. */
const TELLING = new Set([...DEFAULTS, ...Object.values(OWN), ...OTHERS].map(evenly));

/** As CGI, WSGI and PHP read a name. */
function evenly(name: string): string {
  return name.toLowerCase().replaceAll(/[_.]/g, '-');
}

function isTelling(name: string): boolean {
  return TELLING.has(name) || name === 'x-forwarded' || name.startsWith('x-forwarded-');
}

function noForgery(seen: readonly SeenRequest[]): void {
  for (const { fields } of seen) {
    const left = fields.filter(([name, value]) => value.includes(FORGED) && isTelling(evenly(name)));
    assert.deepEqual(left, [], 'a forged field');
  }
}

/** A request with one more field line, exactly so spelled, on a route that asks for a key or for none. */
function spelled(line: string, source: string, options: Partial<KnownCase> = {}): KnownCase {
  return {
    name: JSON.stringify(line),
    source,
    bytes: request('/open/a', { fields: `${line}\r\n` }),
    answers: [200],
    sees: ['GET /open/a'],
    check: noForgery,
    ...options,
  };
}

function refused(line: string, source: string): KnownCase {
  return spelled(line, source, { answers: [400], sees: [] });
}

/** Makes one more request with one to three fields whose names are spellings of `names`. */
function generator(names: readonly string[]): AttackClass['generate'] {
  return (numbers) => {
    const { below } = numbers;
    const lines: string[] = [];
    for (let count = 1 + below(3); count > 0; count -= 1)
      lines.push(fieldOf(numbers, names[below(names.length)] ?? ''));
    const fields = lines.map((line) => `${line}\r\n`).join('');
    switch (below(4)) {
      case 0:
        return `${PUBLIC}${fields}\r\n`;
      case 1:
        return request('/open/a', {
          method: 'POST',
          fields: `Transfer-Encoding: chunked\r\nTrailer: ${names[0]}\r\n\r\n1\r\na\r\n0\r\n${fields}`,
        });
      default:
        return request('/open/a', { fields });
    }
  };
}

const DASHES = ['-', '-', '_', '.', '-', '_', '+', '~', ' ', '%2d', '--', '\xad', '\xe2\x80\x90', ''];
const AROUND = ['', '', '', '', '', '', ' ', '\t', '\0', '\x0b', '\xa0', ':', '\r'];

function fieldOf({ below }: SeededNumbers, name: string): string {
  const letters = [...name].map((letter) => {
    if (letter === '-' || letter === '_') return below(2) ? letter : (DASHES[below(DASHES.length)] ?? '');
    if (below(40) === 0) return letter.toLowerCase() === 's' ? '\xc5\xbf' : letter === 'k' ? '\xe2\x84\xaa' : letter;
    return below(2) ? letter.toUpperCase() : letter.toLowerCase();
  });
  const around = (): string => AROUND[below(AROUND.length)] ?? '';
  const connection = below(6) === 0 ? `Connection: ${name}\r\n` : '';
  const fold = below(20) === 0 ? '\r\n ' : '';
  return `${connection}${below(20) === 0 ? ' ' : ''}${letters.join('')}${around()}:${fold}${around()}${FORGED}${around()}`;
}

attackClass({
  name: 'identity header spoofing',
  why: 'HAProxy and nginx know no identity of ours and pass what spells one; the upstream believes it, so no spelling passes from a client.',
  compares: ({ target, fields }) =>
    [target, ...fields.filter(([, value]) => value.includes(FORGED)).map((field) => field.join(': '))].join(' with '),
  check: noForgery,
  known: [
    ...DEFAULTS.map((name) => spelled(`${name}: ${FORGED}`, 'Kong key-auth, upstream headers')),
    spelled(`x_consumer_id: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`X_Consumer-Id: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`X-Forwarded_User: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`X.Consumer.Id: ${FORGED}`, 'PHP manual, variables from external sources'),
    spelled(`x-cOnSuMeR-iD: ${FORGED}`, 'RFC 9110 section 5.1'),
    spelled(`X-Consumer-Id: acme\r\nX-Consumer-Id: ${FORGED}`, 'RFC 9110 section 5.3'),
    spelled(`X-Consumer-Id: ${FORGED}\r\nConnection: X-Consumer-Id`, 'CVE-2021-32813 (Traefik)'),
    spelled(`X-Consumer-Id:${FORGED}`, 'RFC 9112 section 5.1'),
    spelled(`X-Consumer-Id: \t ${FORGED} \t`, 'RFC 9112 section 5.1'),
    spelled(`x_api_key: ${FORGED}`, 'RFC 3875 section 4.1.18'),
    spelled(`X.Api.Key: ${FORGED}`, 'RFC 3875 section 4.1.18'),
    spelled(`X-Original-URL: /admin/${FORGED}`, 'CVE-2018-14773 (Symfony)'),
    spelled(`X-Rewrite-URL: /admin/${FORGED}`, 'CVE-2018-14773 (Symfony)'),
    spelled(`X_Rewrite_Url: /admin/${FORGED}`, 'CVE-2018-14773 (Symfony)'),
    spelled(`X-Original-URI: /admin/${FORGED}`, 'ingress-nginx, external authentication'),
    spelled(`X-Original-Method: ${FORGED}`, 'ingress-nginx, external authentication'),
    spelled(`X-Forwarded-Uri: /public/${FORGED}`, 'CVE-2026-40575 (oauth2-proxy)'),
    spelled(`X-Forwarded-Prefix: /${FORGED}`, 'GHSA-6384-m2mw-rf54 (Traefik)'),
    spelled(`X-Forwarded-Email: ${FORGED}`, 'oauth2-proxy, header options'),
    spelled(`X-Request-Id: ${FORGED}-0000001`, 'Envoy, x-request-id'),
    spelled(`X_Request_Id: ${FORGED}-0000001`, 'CVE-2025-64484 (oauth2-proxy)'),
    refused(`X-Consumer-Id : ${FORGED}`, 'RFC 9112 section 5.1'),
    refused(`X-Consumer-Id\t: ${FORGED}`, 'RFC 9112 section 5.1'),
    refused(`X-Consumer-Id\0: ${FORGED}`, 'CVE-2019-9900 (Envoy)'),
    refused(`X-Consumer-Id: ${FORGED}\0`, 'CVE-2019-9900 (Envoy)'),
    refused(` X-Consumer-Id: ${FORGED}`, 'RFC 9112 section 2.2'),
    refused(`X-Other: a\r\n X-Consumer-Id: ${FORGED}`, 'RFC 9112 section 5.2'),
    refused(`X-Other: a\r\r\nX-Consumer-Id: ${FORGED}`, 'RFC 9112 section 2.2'),
    refused(`X-Other: a\nX-Consumer-Id: ${FORGED}`, 'RFC 9112 section 2.2'),
    refused(`:X-Consumer-Id: ${FORGED}`, 'RFC 9113 section 8.3'),
    refused(`X-Con\xc5\xbfumer-Id: ${FORGED}`, 'RFC 9110 section 5.6.2'),
    refused(`X-Consumer-Id\xa0: ${FORGED}`, 'RFC 9110 section 5.6.2'),
    {
      name: 'an identity on a public route',
      source: 'oauth2-proxy pull request 1065',
      bytes: `${PUBLIC}X-Consumer-Id: ${FORGED}\r\nx_consumer_groups: ${FORGED}\r\n\r\n`,
      answers: [200],
      sees: ['GET /public/a'],
    },
    {
      name: 'an identity in a trailer',
      source: 'RFC 9110 section 6.5.1',
      bytes: request('/open/a', {
        method: 'POST',
        fields: `Transfer-Encoding: chunked\r\nTrailer: X-Consumer-Id\r\n\r\n1\r\na\r\n0\r\nX-Consumer-Id: ${FORGED}\r\n`,
      }),
      answers: [200],
      sees: ['POST /open/a'],
    },
  ],
  generate: generator([...DEFAULTS, ...DEFAULTS, ...OTHERS, 'X-Forwarded-User']),
});

attackClass({
  name: 'identity header spoofing, names of its own',
  why: 'HAProxy and nginx know no identity of ours and pass what spells one.',
  settings: { identityHeaders: OWN },
  rules: {
    identity: new Map([
      ['x-2nd-tenant', READER.owner],
      ['1-key-9', READER.id],
      ['-roles-', ''],
      ['z_scope.s', READER.scopes],
    ]),
  },
  compares: ({ target, fields }) =>
    [target, ...fields.filter(([, value]) => value.includes(FORGED)).map((field) => field.join(': '))].join(' with '),
  check: noForgery,
  known: [
    ...Object.values(OWN).map((name) => spelled(`${name}: ${FORGED}`, 'RFC 9110 section 5.1')),
    spelled(`x_2nd.tenant: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`1_KEY.9: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`_roles.: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`z-scope-s: ${FORGED}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spelled(`Z_Scope.s: ${FORGED}\r\nConnection: z_scope.s, x-2nd-tenant`, 'CVE-2021-32813 (Traefik)'),
  ],
  generate: generator(Object.values(OWN)),
});
