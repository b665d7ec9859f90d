// Expect: who waits for 100 Continue and who does not decides where the next request begins, for every reader on the way.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import { bodiesOf, lineAndBody, SMUGGLED } from './harness/cases.ts';
import { handshake, request } from './harness/ways.ts';

const DESYNC = 'PortSwigger 2025, HTTP/1.1 must die (Expect)';
const LENGTH = `Content-Length: ${SMUGGLED.length}\r\n`;
const KEYLESS = `POST /open/a HTTP/1.1\r\nHost: ${HOST}\r\n`;

/** A request to /open/a with a body that looks like another. */
function expecting(fields: string, method = 'POST'): string {
  return request('/open/a', { method, fields: fields + LENGTH }) + SMUGGLED;
}

/** One whose body stays one. */
function passed(
  name: string,
  source: string,
  bytes: string,
  method = 'POST',
  interim: readonly number[] = [100],
): KnownCase {
  return {
    name,
    source,
    bytes,
    interim,
    answers: [200],
    sees: [`${method} /open/a`],
    check: (seen) => assert.deepEqual(bodiesOf(seen), [SMUGGLED]),
  };
}

const known: KnownCase[] = [
  passed('the body at once', 'RFC 9110 section 10.1.1', expecting('Expect: 100-continue\r\n')),
  passed('in capitals', 'RFC 9110 section 10.1.1', expecting('EXPECT: 100-CONTINUE\r\n')),
  passed('on a GET with a body', DESYNC, expecting('Expect: 100-continue\r\n', 'GET'), 'GET'),
  passed(
    'on OPTIONS with a body',
    `${DESYNC}; CVE-2025-32094 (Akamai)`,
    expecting('Expect: 100-continue\r\n', 'OPTIONS'),
    'OPTIONS',
  ),
  ...[
    'y 100-continue',
    '100-continue, 100-continue',
    '100-continue;q=1',
    '100-continued',
    '100-',
    '200-ok',
    '"100-continue"',
    '100-continue x',
    '100\u2010continue'.replace('\u2010', '\xad'),
  ].map((value): KnownCase => ({
    name: `Expect: ${JSON.stringify(value)}`,
    source: value === 'y 100-continue' ? `${DESYNC}, obfuscated` : 'RFC 9110 section 10.1.1',
    bytes: expecting(`Expect: ${value}\r\n`),
    answers: [417],
  })),
  {
    name: 'Expect without a value',
    source: 'RFC 9110 section 10.1.1',
    bytes: expecting('Expect:\r\n'),
    answers: [417],
  },
  {
    name: 'two Expect fields, the second unknown',
    source: DESYNC,
    bytes: expecting('Expect: 100-continue\r\nExpect: x\r\n'),
    answers: [417],
  },
  {
    name: 'a folded Expect',
    source: 'CVE-2025-32094 (Akamai)',
    bytes: expecting('Expect:\r\n 100-continue\r\n', 'OPTIONS'),
    answers: [400],
  },
  {
    name: 'Expect with a space before its colon',
    source: DESYNC,
    bytes: expecting('Expect : 100-continue\r\n'),
    answers: [400],
  },
  {
    name: 'Expect behind a vertical tab',
    source: DESYNC,
    bytes: expecting('Expect: \x0b100-continue\r\n'),
    answers: [400],
  },
  ...(
    [
      ['401', `${KEYLESS}Expect: 100-continue\r\n${LENGTH}\r\n${SMUGGLED}`, 401],
      ['403', request('/admin/a', { method: 'POST', fields: `Expect: 100-continue\r\n${LENGTH}` }) + SMUGGLED, 403],
      ['404', request('/nowhere', { method: 'POST', fields: `Expect: 100-continue\r\n${LENGTH}` }) + SMUGGLED, 404],
      [
        '413',
        request('/open/a', { method: 'POST', fields: 'Expect: 100-continue\r\nContent-Length: 65537\r\n' }) + SMUGGLED,
        413,
      ],
    ] as const
  ).map(([name, bytes, status]): KnownCase => ({
    name: `refused with ${name}: no 100, and the body never a request`,
    source: `${DESYNC}; RFC 9110 section 10.1.1`,
    bytes,
    answers: [status],
    why: 'Who is refused is not told to go on, and its connection ends: whether the body still comes cannot be known.',
  })),
  {
    name: 'refused with 401, no body sent, the next request in its place',
    source: `${DESYNC} (0.CL)`,
    bytes: `${KEYLESS}Expect: 100-continue\r\n${LENGTH}\r\n`,
    answers: [401],
    why: 'Who is refused is not told to go on, and its connection ends: whether the body still comes cannot be known.',
  },
  {
    name: 'without a body',
    source: 'RFC 9110 section 10.1.1',
    bytes: request('/open/a', { fields: 'Expect: 100-continue\r\n' }),
    answers: [200],
    sees: ['GET /open/a'],
  },
  {
    name: 'with a chunked body',
    source: 'RFC 9110 section 10.1.1',
    bytes: `${request('/open/a', { method: 'POST', fields: 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n' })}5\r\nhello\r\n0\r\n\r\n`,
    answers: [200],
    interim: [100],
    sees: ['POST /open/a'],
    check: (seen) => assert.deepEqual(bodiesOf(seen), ['hello']),
  },
  {
    name: 'with both framings',
    source: `${DESYNC}; RFC 9112 section 6.1`,
    bytes: `${request('/open/a', { method: 'POST', fields: 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n' })}0\r\n\r\n${SMUGGLED}`,
    answers: [400],
  },
  {
    name: 'from HTTP/1.0',
    source: 'RFC 9110 section 10.1.1',
    bytes: `POST /open/a HTTP/1.0\r\nHost: ${HOST}\r\nx-api-key: ${KEYS.reader}\r\nExpect: 100-continue\r\n${LENGTH}\r\n${SMUGGLED}`,
    answers: [200],
    sees: ['POST /open/a'],
    check: (seen) => assert.deepEqual(bodiesOf(seen), [SMUGGLED]),
    why: 'The version is that of the hop (RFC 9110 section 2.5): ours is always 1.1 upstream.',
  },
  {
    name: 'on an upgrade, unknown',
    source: 'RFC 9110 sections 7.8 and 10.1.1',
    bytes: handshake('/socket/tunnel').replace('Upgrade: websocket', 'Expect: x\r\nUpgrade: websocket'),
    answers: [417],
  },
];

const EXPECTATIONS = [
  '100-continue',
  '100-continue',
  '100-Continue',
  'y 100-continue',
  '100-continue, x',
  '',
  ' 100-continue\t',
  '100-continue\0',
  '\r\n 100-continue',
  '200',
  '100-continue;',
];
const NAMES = ['Expect: ', 'Expect:', 'expect: ', 'Expect : ', 'X-Expect: ', 'Expect\t:', ' Expect: '];

attackClass({
  name: 'Expect',
  why: 'Expect ends here: the upstream is never asked to wait, no other expectation than 100-continue is passed on, and who is refused gets no 100.',
  compares: lineAndBody,
  known,
  generate: ({ below }) => {
    const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
    let fields = '';
    for (let count = 1 + below(2); count > 0; count -= 1) fields += `${pick(NAMES)}${pick(EXPECTATIONS)}\r\n`;
    const framing = pick([
      LENGTH,
      LENGTH,
      'Content-Length: 0\r\n',
      '',
      'Transfer-Encoding: chunked\r\n',
      'Content-Length: 9\r\n',
      `${LENGTH}Transfer-Encoding: chunked\r\n`,
    ]);
    const body = pick([SMUGGLED, SMUGGLED, '', 'hello', `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`]);
    const target = pick(['/open/a', '/open/a', '/admin/a', '/nowhere', '/public/a']);
    const head = request(target, {
      method: pick(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']),
      fields: fields + framing,
    });
    return Buffer.from((below(6) === 0 ? head.replace(/x-api-key.*\r\n/, '') : head) + body, 'latin1');
  },
});
