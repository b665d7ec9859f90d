// Chunked request bodies: sizes, extensions, the ends of data, trailers. A body that one reader ends where another does
// not is cut off; what goes upstream is chunked anew, without extensions and trailers.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { KEYS } from './harness/arena.ts';
import { bodiesOf, lineAndBody, passed, post, SMUGGLED } from './harness/cases.ts';
import type { SeenRequest } from './harness/recorder.ts';

const FUNKY = 'J. Weikop 2025, Funky chunks';

function chunked(body: string): string {
  return post('Transfer-Encoding: chunked\r\n', body);
}

/** The upstream may have got the beginning of it, never a whole body. */
function broken(seen: readonly SeenRequest[]): void {
  for (const body of bodiesOf(seen)) assert.equal(body, undefined, 'a broken body came whole');
}

/** A body that breaks off at its flaw. */
function flawed(name: string, source: string, body: string): KnownCase {
  return { name, source, bytes: chunked(body), answers: [400], sees: 'some', check: broken };
}

/** A body that is forwarded as `data`. */
function whole(name: string, source: string, body: string, data = 'hello', why?: string): KnownCase {
  return passed(name, source, chunked(body), { body: data, ...(why !== undefined && { why }) });
}

const REST = `\r\nhello\r\n0\r\n\r\n`;

const SIZES: readonly (readonly [size: string, source: string])[] = [
  ['0x5', 'CVE-2023-38697 (protocol-http1)'],
  ['+5', 'CVE-2023-38697 (protocol-http1)'],
  ['-5', 'RFC 9112 section 7.1'],
  [' 5', 'RFC 9112 section 7.1'],
  ['5_0', 'RFC 9112 section 7.1'],
  ['5 0', 'RFC 9112 section 7.1'],
  ['5.0', 'RFC 9112 section 7.1'],
  ['', 'RFC 9112 section 7.1'],
  ['g', 'RFC 9112 section 7.1'],
  ['5\0', 'RFC 9112 section 7.1'],
  ['5\t', 'RFC 9112 section 7.1.1'],
  ['\n5', 'RFC 9112 section 7.1'],
  ['\u00b25', 'RFC 9112 section 7.1'],
  ['10000000000000005', 'RFC 9112 section 7.1, beyond 64 bits'],
  ['fffffffffffffffff5', 'RFC 9112 section 7.1, beyond 64 bits'],
];

const TRAILERS = [
  'X-Consumer-Id: root',
  'Host: admin.test',
  `x-api-key: ${KEYS.admin}`,
  `Authorization: Bearer ${KEYS.admin}`,
  'X-Forwarded-For: 10.0.0.1',
  'Connection: upgrade',
];

const known: KnownCase[] = [
  ...SIZES.map(([size, source]) => flawed(`size ${JSON.stringify(size)}`, source, size + REST)),
  whole('size 00000005', 'RFC 9112 section 7.1', `00000005${REST}`),
  whole('size 0000000000000000000000000000000000000005', 'RFC 9112 section 7.1', `${'0'.repeat(39)}5${REST}`),
  whole('chunks of one byte', 'RFC 9112 section 7.1', `1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n`),
  whole(
    'a body that is a request',
    'RFC 9112 section 7.1',
    `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    SMUGGLED,
  ),
  whole('an extension', 'CVE-2021-22960 (llhttp)', `5;a=b${REST}`),
  whole('a quoted extension', 'RFC 9112 section 7.1.1', `5;a="b\\"; c"${REST}`),
  whole('an extension behind the last size', 'RFC 9112 section 7.1.1', `5\r\nhello\r\n0;a=b\r\n\r\n`),
  flawed('a size that ends with a bare LF', 'CVE-2025-22871 (Go)', `5\nhello\r\n0\r\n\r\n`),
  flawed('an extension that ends with a bare LF', 'CVE-2025-55315 (Kestrel)', `5;\nhello\r\n0\r\n\r\n`),
  flawed('TERM.EXT: a bare LF in an extension', `${FUNKY}; CVE-2025-55315 (Kestrel)`, `5;a\nxx\r\nhello\r\n0\r\n\r\n`),
  flawed('EXT.TERM: a bare LF in an extension that hides a request', FUNKY, `2;\nxx\r\n40\r\n0\r\n\r\n${SMUGGLED}`),
  flawed('a bare CR in an extension', 'CVE-2025-22871 (Go)', `5;a\rb${REST}`),
  flawed('a bare CR in place of CRLF behind a size', 'RFC 9112 section 2.2', `5\rhello\r\n0\r\n\r\n`),
  flawed('a line end in a quoted extension', 'RFC 9112 section 7.1.1', `5;a="b\r\nhello\r\n0\r\n\r\n"${REST}`),
  flawed('NUL in an extension', 'RFC 9112 section 7.1.1', `5;a=\0${REST}`),
  whole('an extension without its name', 'RFC 9112 section 7.1.1', `5;=b${REST}`),
  flawed('an extension without a semicolon', 'RFC 9112 section 7.1.1', `5 a=b${REST}`),
  flawed('an extension of 20 KiB', 'CVE-2024-22019 (Node)', `5;${'a'.repeat(20 * 1024)}${REST}`),
  flawed('SPILL: more data than the size', FUNKY, `5\r\nhelloxx\r\n0\r\n\r\n`),
  flawed('data that end with other than CRLF', 'CVE-2025-43859 (h11)', `5\r\nhelloXX0\r\n\r\n${SMUGGLED}`),
  flawed('data that end with a bare LF', FUNKY, `5\r\nhello\n0\r\n\r\n`),
  flawed('data that end with a bare CR', 'RFC 9112 section 2.2', `5\r\nhello\r0\r\n\r\n`),
  flawed('data without an end', FUNKY, `5\r\nhello0\r\n\r\n`),
  whole('a last size of 000', 'RFC 9112 section 7.1', `5\r\nhello\r\n000\r\n\r\n`),
  flawed('a last size of -0', 'RFC 9112 section 7.1', `5\r\nhello\r\n-0\r\n\r\n`),
  flawed('a last size with a bare LF', FUNKY, `5\r\nhello\r\n0\n\r\n`),
  flawed('an end with a bare LF', FUNKY, `5\r\nhello\r\n0\r\n\n`),
  flawed('an end with CR X', 'CVE-2025-23167 (Node)', `5\r\nhello\r\n0\r\n\rX`),
  ...TRAILERS.map((trailer) =>
    whole(`a trailer ${trailer.split(':')[0]}`, 'RFC 9110 section 6.5.1', `5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`),
  ),
  ...['Content-Length: 5', 'Transfer-Encoding: chunked'].map((trailer) =>
    flawed(`a trailer ${trailer}`, 'RFC 9110 section 6.5.1', `5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`),
  ),
  flawed('a trailer with a bare LF', 'RFC 9112 section 7.1.2', `5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n`),
  flawed('a folded trailer', 'RFC 9112 section 5.2', `5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n`),
  flawed('a trailer without a colon', 'RFC 9112 section 7.1.2', `5\r\nhello\r\n0\r\nGET /admin/a HTTP/1.1\r\n\r\n`),
  flawed(
    'trailers of 40 KiB',
    'RFC 9112 section 7.1.2',
    `5\r\nhello\r\n0\r\n${`X: ${'a'.repeat(1000)}\r\n`.repeat(40)}\r\n`,
  ),
  {
    name: 'a chunk beyond maxBody',
    source: 'RFC 9110 section 15.5.14',
    bytes: chunked(`10001\r\n${'a'.repeat(0x10001)}\r\n0\r\n\r\n`),
    answers: [413],
    why: 'The route takes bodies of up to 64 KiB; for the others no such bound was set.',
    sees: 'some',
    check: broken,
  },
];

const LINE_ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', ' \r\n', '\r\n\r\n', ''];
const EXTENSIONS = [
  '',
  '',
  '',
  ';a',
  ';a=b',
  ';a="b"',
  ';',
  ' ;a',
  ';a="\r\n"',
  ';\n',
  ';a\rb',
  `;${'x'.repeat(5000)}`,
  '\0',
  ';a=b;c="\\""',
];
const PREFIXES = ['', '', '', '', '0', '000', '0x', '+', '-', ' ', '\t', '_', 'g', '1000000000000000'];
const DATA = ['a', 'hello', SMUGGLED, '0\r\n\r\n', '\r\n', '\0\xff'];
const FIELDS = [
  '',
  '',
  '',
  ...TRAILERS.map((trailer) => `${trailer}\r\n`),
  'X : a\r\n',
  'X: a\n',
  ' X: a\r\n',
  'X\r\n',
];

attackClass({
  name: 'chunked bodies',
  why: 'RFC 9112 section 7.1 ends sizes, extensions and data with CRLF and nothing else; a body is cut at its first flaw, so that no reader behind can end it in another place.',
  compares: lineAndBody,
  known,
  generate: ({ below }) => {
    const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
    let body = '';
    for (let count = below(4); count > 0; count -= 1) {
      const data = pick(DATA);
      const size = (data.length + (below(10) === 0 ? below(3) - 1 : 0)).toString(16);
      body += pick(PREFIXES) + size + pick(EXTENSIONS) + pick(LINE_ENDS) + data + pick(LINE_ENDS);
    }
    const last = `${below(8) > 0 ? '0' : pick(['00', '', '0x0', '-0', '0;a'])}${pick(LINE_ENDS)}${pick(FIELDS)}${pick(LINE_ENDS)}`;
    return Buffer.from(chunked(body + last) + (below(4) === 0 ? SMUGGLED : ''), 'latin1');
  },
});
