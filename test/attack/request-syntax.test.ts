// How a request is written: its line, line ends, versions and names of fields. What is not of the one form that RFC 9112
// has is refused, but where the standard itself has recipients mend it.
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import { lineAndBody, passed, refused, SMUGGLED } from './harness/cases.ts';
import { request } from './harness/ways.ts';

const KEY = `x-api-key: ${KEYS.reader}\r\n`;
const REST = `Host: ${HOST}\r\n${KEY}\r\n`;
const VERSION = 'The version is that of the hop (RFC 9110 section 2.5): ours is always 1.1 upstream.';

const known: KnownCase[] = [
  refused(
    'a first field line that is folded',
    'PortSwigger 2025, HTTP/1.1 must die (visible to one, hidden to the other)',
    `GET /open/a HTTP/1.1\r\n Host: ${HOST}\r\n${KEY}\r\n`,
  ),
  refused('a folded value', 'RFC 9112 section 5.2', request('/open/a', { fields: 'X: a\r\n b\r\n' })),
  refused('bare LF as all line ends', 'CVE-2022-32214 (llhttp)', request('/open/a').replaceAll('\r\n', '\n')),
  refused('bare LF behind the request line', 'RFC 9112 section 2.2', `GET /open/a HTTP/1.1\n${REST}`),
  refused('bare LF behind a field', 'CVE-2022-35256 (Node)', request('/open/a', { fields: 'X: a\nY: b\r\n' })),
  refused('bare CR behind a field', 'CVE-2023-30589 (llhttp)', request('/open/a', { fields: `X: a\r${SMUGGLED}` })),
  refused('an end of the head as CRLF CR X', 'CVE-2025-23167 (Node)', `${request('/open/a').slice(0, -1)}X${SMUGGLED}`),
  refused('an end of the head as CRLF LF', 'RFC 9112 section 2.2', `${request('/open/a').slice(0, -2)}\n`),
  refused('NUL in a value', 'RFC 9110 section 5.5', request('/open/a', { fields: 'X: a\0b\r\n' })),
  refused('DEL in a value', 'RFC 9110 section 5.5', request('/open/a', { fields: 'X: a\x7fb\r\n' })),
  refused('a field line without a colon', 'RFC 9112 section 5', request('/open/a', { fields: 'Xyz\r\n' })),
  ...['X Y', 'X(Y', 'X\x80', 'X@Y', 'X/Y', '"X"'].map((name) =>
    refused(
      `a field named ${JSON.stringify(name)}`,
      'RFC 9110 section 5.1',
      request('/open/a', { fields: `${name}: a\r\n` }),
    ),
  ),
  refused('HTTP/0.9', 'RFC 9112 section 2.3', 'GET /open/a\r\n'),
  refused('the preface of HTTP/2', 'RFC 9113 section 3.4', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  ...[
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/0.9',
    'HTTP/01.1',
    'HTTP/1.01',
    'HTTP/1.10',
    'http/1.1',
    'HTTP/1.1x',
    'HTTP/1',
    'HTTP/1,1',
    'HTTPS/1.1',
  ].map((version) => refused(`version ${version}`, 'RFC 9112 section 2.3', `GET /open/a ${version}\r\n${REST}`)),
  // RFC 9112 section 3 lets a recipient split at any whitespace; what goes upstream is written anew, with one space.
  passed('two spaces in a request line', 'RFC 9112 section 3', `GET  /open/a HTTP/1.1\r\n${REST}`, { method: 'GET' }),
  passed('two spaces before the version', 'RFC 9112 section 3', `GET /open/a  HTTP/1.1\r\n${REST}`, { method: 'GET' }),
  refused('a tab in a request line', 'RFC 9112 section 3', `GET\t/open/a HTTP/1.1\r\n${REST}`),
  refused('a vertical tab in a request line', 'RFC 9112 section 3', `GET /open/a\x0bHTTP/1.1\r\n${REST}`),
  refused('a space behind the version', 'RFC 9112 section 3', `GET /open/a HTTP/1.1 \r\n${REST}`),
  refused('a space before the method', 'RFC 9112 section 3', ` GET /open/a HTTP/1.1\r\n${REST}`),
  refused('a space in a target', 'RFC 9112 section 3.2', `GET /open/a /admin/b HTTP/1.1\r\n${REST}`),
  refused(
    'a target with a request line of its own',
    'PortSwigger 2021, HTTP/2: the sequel is always worse',
    `GET /open/a HTTP/1.1 /admin/b HTTP/1.1\r\n${REST}`,
  ),
  refused('two methods', 'RFC 9110 section 9.1', `GET,POST /open/a HTTP/1.1\r\n${REST}`),
  passed('an empty line before a request', 'RFC 9112 section 2.2', `\r\n${request('/open/a')}`, { method: 'GET' }),
  passed('ten empty lines before a request', 'RFC 9112 section 2.2', `${'\r\n'.repeat(10)}${request('/open/a')}`, {
    method: 'GET',
  }),
  passed('HTTP/1.0', 'RFC 9112 section 2.3', `GET /open/a HTTP/1.0\r\n${REST}`, { method: 'GET', why: VERSION }),
];

const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET',
  'get',
  'GET ',
  ' GET',
  'GET\t',
  'G\x00T',
  'GET,POST',
  'PRI',
  'CONNECT',
  'TRACE',
  '',
  '\r\nGET',
  '\nGET',
  'M-SEARCH',
];
const TARGETS = [
  '/open/a',
  '/open/a',
  '/open/a',
  '/open/a?b',
  '*',
  '',
  '/',
  '/open/a /admin',
  '/open/a\t',
  '/open/\x7f',
  '/open/a HTTP/1.1\r\nX: y',
];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/3.0',
  'HTTP/1.9',
  'HTTP/1.1 ',
  'HTTP/1.',
  'http/1.1',
  'ICE/1.0',
  'RTSP/1.0',
  'HTTP/11',
  'HTTP/+1.1',
  '',
];
const FIELDS = [
  'X: a',
  'X:a',
  'X: ',
  'X:',
  'X',
  ': a',
  ' X: a',
  '\tX: a',
  'X : a',
  'X Y: a',
  'X\x00: a',
  'X: a\x00',
  'X: a\x7f',
  'X: \x80\xff',
  'X\xff: a',
  'X: a\rb',
  '"X": a',
  `X: ${'a'.repeat(9000)}`,
  `${'X'.repeat(17_000)}: a`,
];
const ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\n\r', '\r\r\n', '\r\n ', ' \r\n', '\0'];

attackClass({
  name: 'request syntax',
  why: 'RFC 9112 has one form for each of these; a reader that mends it sees another request than one that does not.',
  compares: lineAndBody,
  known,
  generate: ({ below }) => {
    const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
    let head = `${pick(METHODS)} ${pick(TARGETS)} ${pick(VERSIONS)}${pick(ENDS)}Host: ${HOST}${pick(ENDS)}${KEY}`;
    for (let count = below(3); count > 0; count -= 1) head += pick(FIELDS) + pick(ENDS);
    return Buffer.from(`${head}${below(4) > 0 ? '\r\n' : pick(ENDS)}${below(4) > 0 ? '' : SMUGGLED}`, 'latin1');
  },
});
