// Upgrades: what is asked, by whom, and when bytes pass. Nothing behind a handshake goes upstream before it has switched
// protocols, and to no other protocol than the one its route lists.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import { bodiesOf, SMUGGLED } from './harness/cases.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { valuesOf } from './harness/strict-requests.ts';
import { handshake, request } from './harness/ways.ts';

const WEBSOCKET = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const ASKS = `Connection: Upgrade\r\nUpgrade: websocket\r\n${WEBSOCKET}`;
const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
const H2C_SOURCE = 'Bishop Fox 2020, h2c Smuggling; CVE-2026-88008 (Traefik)';
const EARLY = 'CVE-2026-2833 (Pingora); RFC 9931';
const LISTED =
  'An upgrade passes where its route lists it, and then as a WebSocket; anything else is refused, or goes on as HTTP without it.';

function keyless(target: string, fields: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${HOST}\r\n${fields}\r\n`;
}

/** The upstream was asked for no upgrade. */
function unasked(seen: readonly SeenRequest[]): void {
  for (const { fields } of seen) {
    assert.deepEqual(valuesOf(fields, 'upgrade'), []);
    assert.deepEqual(valuesOf(fields, 'http2-settings'), []);
  }
}

/** A case that is refused with a status, nothing sent upstream. */
function refused(name: string, source: string, status: number, bytes: string): KnownCase {
  return { name, source, bytes, answers: [status] };
}

/** A case that goes on as a request without an upgrade. */
function plain(name: string, source: string, bytes: string, body = ''): KnownCase {
  return {
    name,
    source,
    bytes,
    answers: [200],
    sees: ['GET /socket/a'],
    check: (seen) => {
      unasked(seen);
      assert.deepEqual(bodiesOf(seen), [body]);
    },
  };
}

const known: KnownCase[] = [
  refused('without a key', 'CVE-2026-2833 (Pingora)', 401, keyless('/socket/a', ASKS) + SMUGGLED),
  refused(
    'with a disabled key',
    'RFC 9110 section 7.8',
    401,
    keyless('/socket/a', `x-api-key: ${KEYS.disabled}\r\n${ASKS}`) + SMUGGLED,
  ),
  refused(
    'to a route of another scope that lists none',
    'RFC 9110 section 7.8',
    426,
    request('/admin/a', { fields: ASKS }) + SMUGGLED,
  ),
  refused('to no route', 'RFC 9110 section 7.8', 404, request('/nowhere', { fields: ASKS }) + SMUGGLED),
  refused('to a route that lists none', EARLY, 426, request('/open/a', { fields: ASKS }) + SMUGGLED),
  refused('to a public route that lists none', EARLY, 426, keyless('/public/a', ASKS) + SMUGGLED),
  refused('h2c', H2C_SOURCE, 426, request('/socket/a', { fields: H2C }) + SMUGGLED),
  refused('h2c to a route that lists none', H2C_SOURCE, 426, request('/open/a', { fields: H2C }) + SMUGGLED),
  refused('h2c to a public route', H2C_SOURCE, 426, keyless('/public/a', H2C) + SMUGGLED),
  refused(
    'h2c without HTTP2-Settings in Connection',
    H2C_SOURCE,
    426,
    request('/socket/a', { fields: H2C.replace(', HTTP2-Settings', '') }),
  ),
  refused('h2c in capitals', H2C_SOURCE, 426, request('/socket/a', { fields: H2C.replace('h2c', 'H2C') })),
  refused(
    'websocket and h2c in one list',
    H2C_SOURCE,
    426,
    request('/socket/a', { fields: ASKS.replace('websocket', 'websocket, h2c') }) + SMUGGLED,
  ),
  refused(
    'h2c and websocket as two fields',
    H2C_SOURCE,
    426,
    request('/socket/a', { fields: `${H2C}Upgrade: websocket\r\n${WEBSOCKET}` }) + SMUGGLED,
  ),
  refused(
    'TLS/1.0',
    'RFC 2817',
    426,
    request('/socket/a', { fields: 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n' }) + SMUGGLED,
  ),
  refused(
    'websocket/13',
    'RFC 9110 section 7.8',
    426,
    request('/socket/a', { fields: ASKS.replace('websocket', 'websocket/13') }) + SMUGGLED,
  ),
  plain(
    'Upgrade without Connection',
    'RFC 9110 section 7.8',
    request('/socket/a', { fields: `Upgrade: websocket\r\n${WEBSOCKET}` }),
  ),
  plain(
    'Connection: upgrade without Upgrade',
    'RFC 9110 section 7.8',
    request('/socket/a', { fields: `Connection: Upgrade\r\n${WEBSOCKET}` }),
  ),
  plain(
    'Connection: keep-alive beside Upgrade: h2c',
    H2C_SOURCE,
    request('/socket/a', { fields: H2C.replace('Upgrade, HTTP2-Settings', 'HTTP2-Settings') }),
  ),
  refused(
    'with a body',
    'CVE-2026-58055 (nghttpx)',
    400,
    `${request('/socket/a', { fields: `${ASKS}Content-Length: ${SMUGGLED.length}\r\n` })}${SMUGGLED}`,
  ),
  refused(
    'with a chunked body',
    'CVE-2026-58055 (nghttpx)',
    400,
    `${request('/socket/a', { fields: `${ASKS}Transfer-Encoding: chunked\r\n` })}${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  ),
  refused(
    'by POST',
    'RFC 6455 section 4.1',
    426,
    request('/socket/a', { method: 'POST', fields: `${ASKS}Content-Length: 0\r\n` }),
  ),
  refused('by HTTP/1.0', 'RFC 9110 section 7.8', 400, handshake('/socket/a').replace('HTTP/1.1', 'HTTP/1.0')),
  refused(
    'CONNECT',
    'RFC 9110 section 9.3.6',
    405,
    `CONNECT ${HOST}:80 HTTP/1.1\r\nHost: ${HOST}:80\r\nx-api-key: ${KEYS.reader}\r\n\r\n${SMUGGLED}`,
  ),
  refused('CONNECT with a path', 'RFC 9110 section 9.3.6', 405, request('/socket/a', { method: 'CONNECT' }) + SMUGGLED),
  {
    name: 'refused upstream (426): what came behind it is dropped, the connection ends',
    source: 'M. Egorov 2019, WebSocket smuggling (wrong Sec-WebSocket-Version); CVE-2024-23326 (Envoy)',
    bytes: handshake('/socket/refused').replace('Version: 13', 'Version: 777') + SMUGGLED,
    answers: [426],
    sees: ['GET /socket/refused'],
    why: 'An upgrade that the upstream refuses ends both connections: what the client has already sent behind it is no request.',
  },
  {
    name: "granted: what came behind it is the tunnel's",
    source: EARLY,
    bytes: handshake('/socket/tunnel') + SMUGGLED,
    answers: [101],
    sees: ['GET /socket/tunnel'],
    check: ([seen]) => assert.ok(seen?.connection.tunnelled()?.toString('latin1').startsWith(SMUGGLED)),
  },
];

const PROTOCOLS = [
  'websocket',
  'websocket',
  'WebSocket',
  'h2c',
  'websocket, h2c',
  'h2c, websocket',
  'TLS/1.0',
  'websocket/13',
  '',
  'websocket\t',
  ', websocket',
  'web socket',
  'websocket\0',
];
const OPTIONS = [
  'Upgrade',
  'Upgrade',
  'upgrade',
  'keep-alive, Upgrade',
  'Upgrade, HTTP2-Settings',
  'close, Upgrade',
  'close',
  'Upgrade, x-consumer-id',
  '"Upgrade"',
  'Upgrade;q=1',
  '',
];
const TARGETS = [
  '/socket/refused',
  '/socket/a/refused',
  '/socket/refused',
  '/open/a',
  '/admin/a',
  '/public/a',
  '/nowhere',
  '*',
];
const FRAMING = [
  '',
  '',
  '',
  'Content-Length: 0\r\n',
  `Content-Length: ${SMUGGLED.length}\r\n`,
  'Transfer-Encoding: chunked\r\n',
  'Expect: 100-continue\r\n',
  'X-Consumer-Id: root\r\n',
];

attackClass({
  name: 'upgrades',
  why: LISTED,
  compares: ({ method, target, fields, connection }) =>
    [
      `${method} ${target}`,
      ...valuesOf(fields, 'upgrade').map((protocol) => `asking for ${protocol}`),
      ...(connection.tunnelled() ? ['and all that follows'] : []),
    ].join(' '),
  known,
  generate: ({ below }) => {
    const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
    const method = below(5) > 0 ? 'GET' : pick(['POST', 'PUT', 'CONNECT', 'OPTIONS', 'PRI']);
    let fields = `${below(8) > 0 ? `Connection: ${pick(OPTIONS)}\r\n` : ''}Upgrade: ${pick(PROTOCOLS)}\r\n${pick(FRAMING)}`;
    if (below(4) === 0) fields += `Upgrade: ${pick(PROTOCOLS)}\r\n`;
    if (below(3) > 0) fields += below(8) > 0 ? WEBSOCKET : WEBSOCKET.replace('13', '777');
    const head = request(pick(TARGETS), { method, fields }).replace(
      'HTTP/1.1',
      below(12) > 0 ? 'HTTP/1.1' : 'HTTP/1.0',
    );
    const behind = pick([SMUGGLED, SMUGGLED, '', request('/open/behind'), '\x81\x05hello']);
    return Buffer.from((below(4) === 0 ? head.replace(/x-api-key.*\r\n/, '') : head) + behind, 'latin1');
  },
});
