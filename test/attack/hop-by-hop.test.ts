// Fields that end at the next hop, and Connection, by which a client names more of them: it may take away what is its
// own, never what the gateway tells the upstream.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { KEYS, HOST } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { valuesOf } from './harness/strict-requests.ts';
import { request } from './harness/ways.ts';

/** Each of ours is there, once, whatever was named. */
function keepsOurs(seen: readonly SeenRequest[]): void {
  for (const { fields } of seen) {
    for (const [name, value] of [
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-proto', 'http'],
      ['x-forwarded-host', HOST],
    ] as const)
      assert.deepEqual(valuesOf(fields, name), [value], name);
    assert.equal(valuesOf(fields, 'x-request-id').length, 1);
  }
}

function named(options: string, source: string, fields = ''): KnownCase {
  return {
    name: `Connection: ${JSON.stringify(options)}${fields === '' ? '' : ` with ${JSON.stringify(fields)}`}`,
    source,
    bytes: request('/open/a', { fields: `Connection: ${options}\r\n${fields}` }),
    answers: [200],
    sees: ['GET /open/a'],
    check: (seen) => {
      const left = seen.flatMap((each) => each.fields.filter(([name]) => /^(?:x-own-named|cookie)$/i.test(name)));
      assert.deepEqual(left, [], 'a field that Connection named');
    },
  };
}

/** A field that is for the gateway alone. */
function dropped(line: string, source: string): KnownCase {
  const name = line.slice(0, line.indexOf(':'));
  return {
    name: JSON.stringify(line),
    source,
    bytes: request('/open/a', { fields: `${line}\r\n` }),
    answers: [200],
    sees: ['GET /open/a'],
    check: (seen) => assert.deepEqual(valuesOf(seen[0]?.fields ?? [], name.toLowerCase()), []),
  };
}

const DAVISON = 'Nathan Davison, Abusing HTTP hop-by-hop request headers, 2019';
const HOP = 'RFC 9110 section 7.6.1';
const OURS = [
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'X-Request-Id',
  'X-Consumer-Id',
  'X-Credential-Identifier',
  'X-Authenticated-Scope',
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
];
const THEIRS = [
  'X-Api-Key',
  'Authorization',
  'Cookie',
  'X-Own-Named',
  'Accept',
  'Forwarded',
  'Expect',
  'Trailer',
  'x_own.named',
];
const HOPS = [
  'Keep-Alive: timeout=5, max=100',
  'TE: trailers',
  'TE: gzip;q=0.5',
  'Trailer: X-Consumer-Id',
  'Proxy-Connection: keep-alive, X-Forwarded-For',
  'Proxy-Authorization: Basic cm9vdDpyb290',
  'Proxy_Authorization: Basic cm9vdDpyb290',
  'Proxy-Authenticate: Basic',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'X-Own-Named: a',
  'X-Own-Named: b',
  'Forwarded: for=10.0.0.1',
];

attackClass({
  name: 'hop-by-hop abuse',
  why: 'What ends here is taken away before ours is added, so Connection cannot name ours (RFC 9110 section 7.6.1); nginx and HAProxy pass what Connection names.',
  compares: ({ target, fields }) =>
    [
      target,
      ...fields
        .filter(([name]) => /^(?:x-own|keep-alive|te$|trailer|proxy|upgrade|http2|x_own)/i.test(name))
        .map((field) => field.join(': ')),
    ].join(' with '),
  check: keepsOurs,
  known: [
    named('close, X-Forwarded-For', DAVISON),
    named('X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto', 'CVE-2022-31813 (Apache httpd)'),
    named('X-Forwarded-Host, X-Forwarded-Port', 'CVE-2024-45410 (Traefik)'),
    named('x-consumer-id, x-credential-identifier, x-authenticated-scope', 'CVE-2021-32813 (Traefik)'),
    named('X-F5-Auth-Token, X-Api-Key', 'CVE-2022-1388 (F5 BIG-IP)'),
    named(
      '',
      'CVE-2021-33197 (Go httputil)',
      'Connection: X-Own-Named\r\nX-Own-Named: a\r\nTE: trailers\r\nConnection: X-Forwarded-For\r\n',
    ),
    named('X-Request-Id, Host', DAVISON),
    named('Cookie', DAVISON, 'Cookie: a=b\r\n'),
    named('X-Own-Named,,\t, x-own-named ,', 'RFC 9110 section 5.6.1', 'X-Own-Named: a\r\nx-own-NAMED: b\r\n'),
    named('close, keep-alive', 'RFC 9112 section 9.3'),
    named('@, "X-Own-Named", X-Own-Named', HOP, 'X-Own-Named: a\r\n'),
    {
      name: 'Connection: Content-Length, Transfer-Encoding with a body',
      source: DAVISON,
      bytes: request('/open/a', {
        method: 'POST',
        fields: 'Connection: Content-Length, Transfer-Encoding\r\nContent-Length: 3\r\n\r\nabc',
      }).slice(0, -2),
      answers: [200],
      sees: ['POST /open/a'],
      check: ([seen]) => assert.equal(String(seen?.body), 'abc'),
    },
    {
      name: 'Connection: Authorization with the key in it',
      source: DAVISON,
      bytes: `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Bearer ${KEYS.reader}\r\nConnection: Authorization\r\n\r\n`,
      answers: [200],
      sees: ['GET /open/a'],
    },
    ...HOPS.filter((line) => !/^(?:X-Own|HTTP2|Upgrade)/.test(line)).map((line) => dropped(line, HOP)),
    dropped('Upgrade: websocket', 'RFC 9110 section 7.8, without Connection'),
    {
      name: 'Upgrade: h2c with its settings',
      source: 'Bishop Fox, h2c smuggling, 2020',
      bytes: request('/open/a', {
        fields: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
      }),
      answers: [426],
    },
  ],
  generate: ({ below }) => {
    const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
    const spell = (name: string): string =>
      [...name]
        .map((letter) => (below(3) ? letter : letter === '-' ? any(['-', '_', '.']) : letter.toUpperCase()))
        .join('');
    const option = (): string =>
      any(['', ' ', '\t', '']) +
      spell(any([...OURS, ...OURS, ...THEIRS, 'close', 'keep-alive', 'upgrade', '', '"', '\xa0'])) +
      any(['', ' ', ';q=1', '']);
    let fields = '';
    for (let count = 1 + below(3); count > 0; count -= 1)
      fields += `${spell('Connection')}: ${Array.from({ length: below(5) }, option).join(any([',', ', ', ' ,', ',,', ';']))}\r\n`;
    for (let count = below(3); count > 0; count -= 1) fields += `${any(HOPS)}\r\n`;
    if (below(3) > 0) return request(any(['/open/a', '/socket/a', '/open/a?b']), { fields });
    const body = 'a'.repeat(below(20));
    return `${request('/open/a', { method: 'POST', fields: `${fields}Content-Length: ${body.length}\r\n` })}${body}`;
  },
});
