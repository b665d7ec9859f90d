// Where a request begins and ends: Content-Length and Transfer-Encoding in all combinations, line ends, versions, and
// whatever else has made two readers of one connection see different requests.
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import { lineAndBody, passed, post, refused, SMUGGLED } from './harness/cases.ts';
import { request } from './harness/ways.ts';

const KEY = `x-api-key: ${KEYS.reader}\r\n`;

const CHUNKED = `5\r\nhello\r\n0\r\n\r\n`;
const BOTH = 'RFC 9112 section 6.1 lets a recipient refuse both at once, and names it a mark of smuggling.';

const CODINGS: readonly (readonly [coding: string, source: string])[] = [
  ['xchunked', 'PortSwigger 2019, HTTP Desync Attacks'],
  ['x: chunked', 'PortSwigger 2019, HTTP Desync Attacks'],
  ['chunked, identity', 'CVE-2019-18277 (HAProxy)'],
  ['\x0bchunked', 'CVE-2019-18277 (HAProxy)'],
  ['identity', 'RFC 9112 section 7'],
  ['chunked, chunked', 'RFC 9112 section 6.1'],
  ['chunked,', 'RFC 9112 section 6.1'],
  [', chunked', 'RFC 9112 section 6.1'],
  ['identity, chunked', 'CVE-2026-2835 (Pingora)'],
  ['gzip, chunked', 'RFC 9112 section 6.1'],
  ['gzip', 'RFC 9112 section 6.3'],
  ['"chunked"', 'PortSwigger 2019, HTTP Desync Attacks'],
  ["'chunked'", 'PortSwigger 2019, HTTP Desync Attacks'],
  ['chunked;q=1', 'RFC 9112 section 7'],
  ['chunked\x00', 'PortSwigger 2019, HTTP Desync Attacks'],
  ['chunkedchunked', 'CVE-2022-32213 (llhttp)'],
  ['chunked abc', 'CVE-2022-32213 (llhttp)'],
  ['chun\u00b1ked', 'RFC 9112 section 7'],
  ['', 'RFC 9112 section 6.1'],
  ['\r\n chunked', 'CVE-2022-32215 (llhttp)'],
  ['\n chunked', 'CVE-2022-32214 (llhttp)'],
];

const LENGTHS: readonly (readonly [length: string, source: string])[] = [
  ['+5', 'CVE-2023-38697 (protocol-http1)'],
  ['-5', 'RFC 9112 section 6.3'],
  ['-0', 'RFC 9112 section 6.3'],
  ['0x5', 'CVE-2023-38697 (protocol-http1)'],
  ['5.0', 'RFC 9110 section 8.6'],
  ['5e0', 'RFC 9110 section 8.6'],
  ['5 5', 'RFC 9110 section 8.6'],
  ['5, 5', 'RFC 9110 section 8.6'],
  ['5,6', 'RFC 9110 section 8.6'],
  ['5_0', 'RFC 9110 section 8.6'],
  ['', 'CVE-2023-40225 (HAProxy)'],
  [',5', 'CVE-2023-40225 (HAProxy)'],
  ['\x0b5', 'RFC 9110 section 5.5'],
  ['5\x00', 'RFC 9110 section 5.5'],
  ['\u00b25', 'RFC 9110 section 8.6'],
  ['18446744073709551621', 'RFC 9110 section 8.6, beyond 64 bits'],
  ['\r\n 5', 'CVE-2024-27982 (Node)'],
  ['\n5', 'CVE-2024-27982 (Node)'],
];

const known: KnownCase[] = [
  refused(
    'CL.TE',
    'PortSwigger 2019, HTTP Desync Attacks',
    post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\nG'),
    BOTH,
  ),
  refused(
    'TE.CL',
    'PortSwigger 2019, HTTP Desync Attacks',
    post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `5c\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    BOTH,
  ),
  refused(
    'Content-Length: 0 beside chunked',
    'RFC 9112 section 6.1',
    post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', CHUNKED),
    BOTH,
  ),
  refused(
    'two Transfer-Encoding fields',
    'CVE-2020-8287 (Node)',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', CHUNKED),
  ),
  refused(
    'the same Transfer-Encoding twice',
    'RFC 9112 section 6.1',
    post('Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n', CHUNKED),
  ),
  ...CODINGS.map(([coding, source]) =>
    refused(
      `Transfer-Encoding: ${JSON.stringify(coding)}`,
      source,
      post(`Transfer-Encoding: ${coding}\r\nContent-Length: 5\r\n`, 'hello'),
    ),
  ),
  ...CODINGS.slice(0, 12).map(([coding, source]) =>
    refused(
      `Transfer-Encoding: ${JSON.stringify(coding)} without a length`,
      source,
      post(`Transfer-Encoding: ${coding}\r\n`, CHUNKED),
    ),
  ),
  refused(
    'Transfer-Encoding with a space before its colon',
    'CVE-2021-22959 (llhttp)',
    post('Transfer-Encoding : chunked\r\n', CHUNKED),
  ),
  refused(
    'Transfer-Encoding with a tab before its colon',
    'PortSwigger 2019, HTTP Desync Attacks',
    post('Transfer-Encoding\t: chunked\r\n', CHUNKED),
  ),
  refused(
    'Content-Length with a space before its colon',
    'PortSwigger 2025, HTTP/1.1 must die (0.CL)',
    post('Content-Length : 5\r\n', 'hello'),
  ),
  refused('Content-Length behind a space', 'CVE-2024-27982 (Node)', post(' Content-Length: 5\r\n', 'hello')),
  refused(
    'Transfer-Encoding behind a tab',
    'PortSwigger 2019, HTTP Desync Attacks',
    post('X: y\r\n\tTransfer-Encoding: chunked\r\n', CHUNKED),
  ),
  refused(
    'Content-Length with NUL in its name',
    'PortSwigger 2019, HTTP Desync Attacks',
    post('Content-Length\x00: 5\r\n', 'hello'),
  ),
  passed(
    'a field name of 270 characters that begins as Content-Length',
    'CVE-2021-40346 (HAProxy)',
    post(`Content-Length0${'a'.repeat(255)}:\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    {
      body: SMUGGLED,
      why: 'A token of any length is a name; what frames the body is the field that has the whole name.',
    },
  ),
  refused('an empty field name', 'CVE-2023-25725 (HAProxy)', post(': x\r\nContent-Length: 5\r\n', 'hello')),
  passed(
    'Transfer_Encoding, which some take for Transfer-Encoding',
    'RFC 9110 section 5.1, CGI variables',
    post(`Transfer_Encoding: chunked\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    { body: SMUGGLED },
  ),
  passed(
    'Content-Length named in Connection',
    'N. Davison 2019, Abusing HTTP hop-by-hop request headers',
    post(`Connection: close, Content-Length\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    { body: SMUGGLED },
  ),
  passed(
    'Transfer-Encoding named in Connection',
    'N. Davison 2019, Abusing HTTP hop-by-hop request headers',
    post('Connection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n', CHUNKED),
    { body: 'hello' },
  ),
  passed(
    'TE: trailers, chunked',
    'RFC 9110 section 10.1.4',
    post('TE: trailers, chunked\r\nTransfer-Encoding: chunked\r\n', CHUNKED),
    { body: 'hello' },
  ),
  refused(
    'the same Content-Length twice',
    'CVE-2026-1525 (undici)',
    post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
  ),
  refused(
    'two Content-Lengths, one in lower case',
    'CVE-2026-1525 (undici)',
    post('Content-Length: 0\r\ncontent-length: 5\r\n', 'hello'),
  ),
  ...LENGTHS.map(([length, source]) =>
    refused(`Content-Length: ${JSON.stringify(length)}`, source, post(`Content-Length: ${length}\r\n`, 'hello')),
  ),
  passed('Content-Length: 0000000005', 'RFC 9110 section 8.6', post('Content-Length: 0000000005\r\n', 'hello'), {
    body: 'hello',
    why: 'Digits are digits (RFC 9110 section 8.6), but ours goes upstream as 5, in the one way to write it.',
  }),
  passed('Content-Length with tabs around it', 'RFC 9110 section 5.5', post('Content-Length:\t5\t\r\n', 'hello'), {
    body: 'hello',
    why: 'Tabs are whitespace that may stand around a value (RFC 9110 section 5.6.3).',
  }),
  {
    name: 'Content-Length: 999999999999999',
    source: 'RFC 9110 section 8.6',
    bytes: post('Content-Length: 999999999999999\r\n', SMUGGLED),
    answers: [413],
    why: 'A declared length beyond maxBody is refused before anything goes upstream.',
  },
  passed(
    'CL.0: a POST whose body is a request',
    'PortSwigger 2022, Browser-Powered Desync Attacks',
    post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    { body: SMUGGLED },
  ),
  passed(
    'a GET whose body is a request',
    'PortSwigger 2022, Browser-Powered Desync Attacks; RFC 9110 section 9.3.1',
    request('/open/a', { fields: `Content-Length: ${SMUGGLED.length}\r\n` }) + SMUGGLED,
    { body: SMUGGLED, method: 'GET' },
  ),
  passed(
    'a DELETE whose body is a request, chunked',
    'PortSwigger 2022, Browser-Powered Desync Attacks',
    `${request('/open/a', { method: 'DELETE', fields: 'Transfer-Encoding: chunked\r\n' })}${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    { body: SMUGGLED, method: 'DELETE' },
  ),
  refused(
    'HTTP/1.0 with Transfer-Encoding',
    'CVE-2026-2835 (Pingora)',
    `POST /open/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\nHost: ${HOST}\r\n${KEY}\r\n${CHUNKED}`,
  ),
];

const NAMES = [
  'Content-Length',
  'Transfer-Encoding',
  'content-length',
  'TRANSFER-ENCODING',
  'Content_Length',
  'Connection',
];
const SEPARATORS = [': ', ': ', ': ', ':', ':\t', ' : ', '\t:', ':\r\n ', ':\n', ':\0', ': \x0b'];
const VALUES = [
  '0',
  '5',
  '9',
  '40',
  'chunked',
  'chunked',
  'Chunked',
  'identity',
  'chunked, chunked',
  'gzip, chunked',
  '5, 5',
  '+5',
  '0x5',
  '05',
  'close',
  'content-length',
  'x',
];
const ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\n ', '\r\r\n', ' \r\n', '\t\r\n', '\0\r\n'];
const BODIES = [
  '',
  'hello',
  CHUNKED,
  SMUGGLED,
  `0\r\n\r\n${SMUGGLED}`,
  `5\r\n${SMUGGLED}`,
  `41\r\n${SMUGGLED}\r\n0\r\n\r\n`,
];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'http/1.1', ''];
const ODD = [
  '\r',
  '\n',
  '\0',
  '\t',
  ' ',
  ':',
  '\x0b',
  '\x7f',
  '\u00a0',
  '\r\n',
  '\r\n ',
  '\r\n\r\n',
  'Content-Length: 1\r\n',
  ',',
];

attackClass({
  name: 'request framing',
  why: 'RFC 9112 has one form for each of these; whoever mends another one before passing it on, or passes it on as it is, leaves its end to the next reader.',
  compares: lineAndBody,
  known,
  generate: ({ below }) => {
    const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
    let fields = '';
    for (let count = below(4); count > 0; count -= 1)
      fields += pick(NAMES) + pick(SEPARATORS) + pick(VALUES) + pick(ENDS);
    const method = pick(['GET', 'POST', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'GET,POST']);
    const head = `${method} /open/a ${pick(VERSIONS)}\r\nHost: ${HOST}\r\n${KEY}${fields}\r\n`;
    const text = head + pick(BODIES);
    if (below(3) > 0) return Buffer.from(text, 'latin1');
    const at = below(text.length);
    return Buffer.from(text.slice(0, at) + pick(ODD) + text.slice(at + below(2)), 'latin1');
  },
});
