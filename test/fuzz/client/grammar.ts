// Client bytes from choices: requests that are right, requests with every kind of oddity a parser may trip over, and
// damage on top; one to four on a connection, cut anywhere.
import type { Draw } from '../draw.ts';
import type { FuzzCase } from '../fuzz-case.ts';
import { mutated } from '../mutate.ts';
import { KEYS, MAX_BODY } from './scene.ts';

/** `end`: the client ends when all is written and reads on; `reset`: it goes at once. */
export type ClientEnd = 'end' | 'reset';

export function clientCase(draw: Draw): FuzzCase {
  let text = '';
  for (let count = 1 + (draw.chance(0.4) ? draw.below(4) : 0); count > 0; count--) text += request(draw);
  if (draw.chance(0.55)) text = mutated(draw, text, 4);
  const setting: ClientEnd = draw.chance(0.03) ? 'reset' : 'end';
  return { setting, parts: draw.cut(text, draw.chance(0.5) ? 1 : 6) };
}

function request(draw: Draw): string {
  const version = draw.chance(0.93) ? '1.1' : draw.pick(['1.0', '1.2', '2.0', '0.9']);
  let head = `${draw.pick(METHODS)} ${target(draw)} HTTP/${version}\r\n`;
  const fields = [draw.chance(0.97) ? 'Host: shop.example' : draw.pick(HOSTS)];
  fields.push(...credentials(draw));
  for (let count = draw.below(draw.chance(0.03) ? 120 : 5); count > 0; count--) fields.push(draw.pick(EXTRA));
  const isUpgrade = draw.chance(0.08);
  if (isUpgrade)
    fields.push(draw.pick(CONNECTIONS), `Upgrade: ${draw.pick(PROTOCOLS)}`, 'Sec-WebSocket-Version: 13', WS_KEY);
  const body = framed(draw, fields);
  for (const field of shuffled(draw, fields)) head += `${field}\r\n`;
  return `${head}\r\n${body}${isUpgrade && draw.chance(0.5) ? draw.pick(BEHIND) : ''}`;
}

function target(draw: Draw): string {
  if (draw.chance(0.03)) return draw.pick(ODD_FORMS);
  let path = draw.pick(PATHS);
  if (draw.chance(0.3)) path += draw.pick(PATH_ENDS);
  if (draw.chance(0.02)) path += 'a'.repeat(draw.pick([200, 8100, 8200, 17_000]));
  if (draw.chance(0.25)) path += `?${Array.from({ length: 1 + draw.below(3) }, () => draw.pick(PARAMETERS)).join('&')}`;
  return path;
}

function credentials(draw: Draw): string[] {
  const secret = (): string => (draw.chance(0.85) ? draw.pick(KEYS).secret : draw.pick(STRANGERS));
  const one = (): string => draw.pick(PLACES).replace('KEY', secret());
  if (draw.chance(0.12)) return [];
  return draw.chance(0.9) ? [one()] : [one(), one()];
}

/** Adds framing to the fields; gives the body. */
function framed(draw: Draw, fields: string[]): string {
  const body = draw.pick(BODIES).repeat(1 + draw.below(draw.chance(0.05) ? MAX_BODY / 8 : 6));
  if (draw.chance(0.06)) fields.push(draw.pick(EXPECTS));
  switch (draw.below(10)) {
    case 0:
    case 1:
      fields.push(`${draw.pick(['Content-Length', 'content-length', 'CONTENT-LENGTH'])}: ${body.length}`);
      return body;
    case 2:
    case 3:
      fields.push(
        `${draw.pick(['Transfer-Encoding', 'transfer-encoding'])}: ${draw.pick(['chunked', 'chunked', 'Chunked'])}`,
      );
      return chunked(draw, body);
    case 4:
      for (let count = 1 + draw.below(2); count > 0; count--)
        fields.push(draw.pick(FRAMINGS).replace('LENGTH', String(body.length)));
      return draw.chance(0.5) ? chunked(draw, body) : body;
    default:
      return draw.chance(0.03) ? body : '';
  }
}

function chunked(draw: Draw, body: string): string {
  const pieces = draw.cut(body, 4).map((piece) => {
    const size = piece.length.toString(16);
    return `${draw.chance(0.1) ? `00${size.toUpperCase()}` : size}${draw.pick(EXTENSIONS)}\r\n${piece}\r\n`;
  });
  const trailers = draw.chance(0.2) ? `${draw.pick(TRAILERS)}\r\n` : '';
  return `${pieces.join('')}${draw.pick(['0', '0', '0', '000'])}${draw.pick(EXTENSIONS)}\r\n${trailers}\r\n`;
}

function shuffled(draw: Draw, fields: readonly string[]): string[] {
  const rest = [...fields];
  return fields.map(() => rest.splice(draw.chance(0.7) ? 0 : draw.below(rest.length), 1)[0]!);
}

const METHODS = [
  ...['GET', 'GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'],
  ...['TRACE', 'CONNECT', 'get', 'PRI', 'PROPFIND', 'X-OWN'],
];
const PATHS = [
  ...[
    '/orders/7',
    '/orders/7',
    '/orders',
    '/orders/a%20b',
    '/admin/users',
    '/admin',
    '/public/x',
    '/public/x',
    '/socket',
    '/cross/x',
  ],
  ...[
    '/orders%2f7',
    '/%6frders/7',
    '/public/../admin/users',
    '/public/%2e%2e/admin',
    '/public//admin',
    '//admin',
    '/public/..;/admin',
  ],
  ...[
    '/ORDERS/7',
    '/orders/%C3%A9',
    '/orders/%ff',
    '/orders/7;v=1',
    '/orders/a#b',
    '/socket/',
    '/nowhere',
    '/',
    '*',
    '/orders\\7',
  ],
];
const PATH_ENDS = [
  '/',
  '/.',
  '/..',
  '//',
  '%00',
  '%0d%0aX-Consumer-Id:%20root',
  '/%7Euser',
  '/a%2Fb',
  '/:b@c',
  "/!$&'()+,=",
  '%',
  '\xe9',
];
const PARAMETERS = [
  ...[
    'a=1',
    'api_key=canary-alpha-7Q2mXb91',
    'api_key=canary%2Dgamma%2D2Lp8Yd64',
    'api%5Fkey=canary-alpha-7Q2mXb91',
    'API_KEY=x',
  ],
  ...[
    'api_key',
    'api_key=',
    '=',
    '',
    '?',
    '/../admin',
    '%3Fapi_key=z',
    'b=%zz',
    'c=%c3',
    'd=;api_key=canary-beta-5Zk0Wc37',
  ],
];
const ODD_FORMS = [
  ...[
    'http://shop.example/orders/7',
    'http://SHOP.example/orders/7',
    'http://other.example/orders/7',
    'https://shop.example',
    'shop.example:443',
  ],
  ...[
    'http://shop.example',
    'http://user@shop.example/orders/7',
    'http://shop.example?x',
    'ftp://shop.example/orders/7',
    'orders/7',
    '?a',
    '#',
  ],
];
const HOSTS = [
  'Host: other.example',
  'Host:',
  'Host: a b',
  'Host: shop.example, other',
  'Host: [::1]:80',
  'X-No-Host: 1',
  'Host: shop.example:99999',
];
const PLACES = [
  ...[
    'X-Api-Key: KEY',
    'X-Api-Key: KEY',
    'x-api-key: KEY',
    'X-API-KEY:KEY',
    'Authorization: Bearer KEY',
    'authorization: bearer KEY',
  ],
  ...[
    'Authorization: Basic KEY',
    'X_Api_Key: KEY',
    'X-Api-Key : KEY',
    'X-Api-Key:  KEY \t',
    'Authorization: Bearer  KEY',
    'Authorization: Bearer KEY, KEY',
  ],
  ...[
    'Proxy-Authorization: Bearer KEY',
    'Authorization:Bearer\tKEY',
    'X-Api-Key: KEY, KEY',
    'X-Api-Key:\r\n KEY',
    'Cookie: x-api-key=KEY',
    'Authorization: KEY',
  ],
];
const STRANGERS = [
  '',
  'nobody-knows-this-key',
  `ptc_live_${'a'.repeat(49)}`,
  'x'.repeat(513),
  'caf\xe9'.repeat(5),
  '\x01'.repeat(20),
  'null',
];
const EXTRA = [
  ...[
    'X-Consumer-Id: root',
    'X_Consumer_Id: root',
    'x.consumer.id: root',
    'X-CREDENTIAL-IDENTIFIER: gamma',
    'X-Consumer-Groups: admin',
  ],
  ...[
    'X-Authenticated-Scope: *',
    'X_Authenticated-Scope: *',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Host: evil',
    'X_Forwarded_For: 1.1.1.1',
  ],
  ...[
    'Forwarded: for=1.2.3.4',
    'X-Forwarded: yes',
    'X-Real-IP: 10.0.0.1',
    'X-Original-URL: /admin',
    'X-Rewrite-URL: /admin',
    'X-HTTP-Method-Override: DELETE',
  ],
  ...[
    'Connection: close',
    'Connection: keep-alive, X-Consumer-Id',
    'Connection: X-Request-Id, X-Forwarded-For, Host',
    'Keep-Alive: timeout=5',
    'TE: trailers',
  ],
  ...[
    'Proxy-Connection: keep-alive',
    'X-Request-Id: chosen-by-client',
    'Trailer: X-Consumer-Id',
    'Origin: http://a',
    'Access-Control-Request-Method: PUT',
  ],
  ...[
    'Accept: */*',
    'Cookie: a=b; c=d',
    'User-Agent: "\x7f"',
    'User-Agent: line\\nbreak {"level":"error"}',
    'X-Empty:',
    'X-Long: '.padEnd(2000, 'l'),
    'X-Utf: \xc3\xa9',
  ],
  ...[
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'Range: bytes=0-1',
    'If-None-Match: *',
    'Upgrade: websocket',
    'HTTP2-Settings: AAMAAABkAAQ',
  ],
];
const CONNECTIONS = [
  'Connection: Upgrade',
  'Connection: upgrade, keep-alive',
  'Connection: Upgrade, X-Api-Key',
  'Connection: close',
];
const PROTOCOLS = ['websocket', 'websocket', 'WebSocket', 'h2c', 'websocket, h2c', 'TLS/1.0', '', 'websocket/13'];
const WS_KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const BEHIND = ['\x81\x05hello', 'GET /admin/users HTTP/1.1\r\nHost: shop.example\r\n\r\n', '\0\0\0', '\r\n\r\n'];
const EXPECTS = [
  'Expect: 100-continue',
  'Expect: 100-Continue',
  'Expect: 100-continue, x',
  'Expect: 200-ok',
  'Expect:',
];
const BODIES = ['body ', '\r\n', '0\r\n\r\n', 'GET /admin/users HTTP/1.1\r\nHost: x\r\n\r\n', '\0\xff', 'a'];
const EXTENSIONS = ['', '', '', '', ';a', ';a=b', ';a="b;c"', ' ;a=b', '; a = b', ';', ' ', ';a="\r"', ';a=\n'];
const TRAILERS = [
  'X-Consumer-Id: root',
  'X-Sum: 1',
  'Content-Length: 3',
  'X-Api-Key: canary-gamma-2Lp8Yd64',
  'Host: x',
  ' folded',
];
const FRAMINGS = [
  ...[
    'Content-Length: LENGTH',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunked, identity',
  ],
  ...[
    'Transfer-Encoding: identity',
    'Transfer-Encoding:',
    'Transfer-Encoding: \tchunked',
    'Transfer-Encoding: "chunked"',
    'Transfer_Encoding: chunked',
  ],
  ...[
    'Content-Length: +LENGTH',
    'Content-Length: LENGTH, LENGTH',
    'Content-Length: 0LENGTH',
    'Content-Length: LENGTH ',
    'Content_Length: 0',
    'Content-Length: 0',
  ],
  ...[
    'Content-Length: -1',
    'Content-Length:',
    'Content-Length: 1e1',
    'Content-Length: 99999999999999999999',
    'Transfer-Encoding: chunked;q=1',
  ],
];
