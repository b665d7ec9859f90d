// Every rule of RFC 9112 sections 4 to 7 on answers, as tables; each answer is read whole and octet by octet.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import { AnswerReader } from '../../src/wire/answer-reader.ts';
import { isReading, type Outcome, readByOurs } from '../support/answer-readings.ts';

type Accepted = readonly [name: string, answer: string, expected: Partial<Extract<Outcome, { status: number }>>];
type Refused = readonly [name: string, answer: string];

function bothWays(answer: string, method: string): Outcome[] {
  const bytes = Buffer.from(answer, 'latin1');
  return [
    readByOurs([bytes], method),
    readByOurs(
      Array.from(bytes, (octet) => Buffer.of(octet)),
      method,
    ),
  ];
}

function accepts(cases: readonly Accepted[], method = 'GET'): void {
  for (const [name, answer, expected] of cases) {
    test(name, () => {
      for (const outcome of bothWays(answer, method)) {
        assert.ok(isReading(outcome), JSON.stringify(outcome));
        assert.deepEqual({ ...outcome, ...expected }, outcome);
      }
    });
  }
}

function refuses(cases: readonly Refused[], method = 'GET'): void {
  for (const [name, answer] of cases) {
    test(`refused: ${name}`, () => {
      for (const outcome of bothWays(answer, method)) assert.ok(!isReading(outcome), JSON.stringify(outcome));
    });
  }
}

const OK = 'HTTP/1.1 200 OK\r\n';
const EMPTY = 'Content-Length: 0\r\n\r\n';

describe('section 4: the status line', () => {
  accepts([
    ['without a reason', `HTTP/1.1 200 \r\n${EMPTY}`, { status: 200 }],
    ['without the space before one', `HTTP/1.1 200\r\n${EMPTY}`, { status: 200 }],
    ['with obs-text in the reason', `HTTP/1.1 404 Nicht d\xe4\r\n${EMPTY}`, { status: 404 }],
    ['of HTTP/1.0', `HTTP/1.0 200 OK\r\n${EMPTY}`, { status: 200 }],
    ['of the last status', `HTTP/1.1 599 X\r\n${EMPTY}`, { status: 599 }],
  ]);
  refuses([
    ['an empty line before', `\r\n${OK}${EMPTY}`],
    ['a space before', ` ${OK}${EMPTY}`],
    ['lower case', `http/1.1 200 OK\r\n${EMPTY}`],
    ['HTTP/2.0', `HTTP/2.0 200 OK\r\n${EMPTY}`],
    ['HTTP/1.2', `HTTP/1.2 200 OK\r\n${EMPTY}`],
    ['HTTP/1.10', `HTTP/1.10 200 OK\r\n${EMPTY}`],
    ['two spaces', `HTTP/1.1  200 OK\r\n${EMPTY}`],
    ['a tab for the space', `HTTP/1.1\t200 OK\r\n${EMPTY}`],
    ['a status of two digits', `HTTP/1.1 20 OK\r\n${EMPTY}`],
    ['a status of four digits', `HTTP/1.1 2000 OK\r\n${EMPTY}`],
    ['status 099', `HTTP/1.1 099 OK\r\n${EMPTY}`],
    ['status 600', `HTTP/1.1 600 OK\r\n${EMPTY}`],
    ['a control character in the reason', `HTTP/1.1 200 O\x00K\r\n${EMPTY}`],
    ['a bare LF', `HTTP/1.1 200 OK\n${EMPTY}`],
    ['a bare CR', `HTTP/1.1 200 OK\rX\r\n${EMPTY}`],
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['HTTP/0.9, which has no head', '<html></html>'],
  ]);
});

describe('section 5: field lines', () => {
  accepts([
    ['no space, a tab, spaces around a value', `${OK}A:1\r\nB:\t 2 \t\r\nC: 3\r\n${EMPTY}`, { status: 200 }],
    [
      'in order, duplicates and spelling kept',
      `${OK}set-cookie: a\r\nSet-Cookie: b\r\nX:\r\n${EMPTY}`,
      { fields: ['set-cookie', 'a', 'Set-Cookie', 'b', 'X', '', 'Content-Length', '0'] },
    ],
    ['every token character', `${OK}a!#$%&'*+-.^_\`|~9: x\r\n${EMPTY}`, { status: 200 }],
    ['obs-text, tabs and spaces within', `${OK}X: \xff a\tb\r\n${EMPTY}`, { status: 200 }],
    ['a long value', `${OK}X: ${'y'.repeat(9000)}\r\n${EMPTY}`, { status: 200 }],
  ]);
  refuses([
    ['a space before the colon', `${OK}X : y\r\n${EMPTY}`],
    ['a tab before the colon', `${OK}X\t: y\r\n${EMPTY}`],
    ['an empty name', `${OK}: y\r\n${EMPTY}`],
    ['no colon', `${OK}X\r\n${EMPTY}`],
    ['a space in the name', `${OK}X Y: z\r\n${EMPTY}`],
    ['a folded line', `${OK}X: a\r\n b\r\n${EMPTY}`],
    ['a folded line with a tab', `${OK}X: a\r\n\tb\r\n${EMPTY}`],
    ['a folded first line', `${OK} X: a\r\n${EMPTY}`],
    ['a bare LF', `${OK}X: a\n${EMPTY}`],
    ['a bare CR', `${OK}X: a\rb\r\n${EMPTY}`],
    ['a bare LF at the end of the head', `${OK}Content-Length: 0\r\n\n`],
    ['NUL', `${OK}X: a\0b\r\n${EMPTY}`],
    ['DEL', `${OK}X: a\x7fb\r\n${EMPTY}`],
    ['a control character', `${OK}X: a\x0bb\r\n${EMPTY}`],
    ['obs-text in a name', `${OK}\xdc: a\r\n${EMPTY}`],
    ['too many fields', `${OK}${'X: y\r\n'.repeat(BOUNDS.upstreamFields + 1)}${EMPTY}`],
    ['too long a head', `${OK}${`X: ${'y'.repeat(1000)}\r\n`.repeat(70)}${EMPTY}`],
    ['a line without an end', `${OK}X: ${'y'.repeat(BOUNDS.upstreamHeaderBytes)}`],
  ]);
});

describe('section 6: how a body is delimited', () => {
  accepts([
    ['a length', `${OK}Content-Length: 5\r\n\r\nhello`, { body: 'hello' }],
    ['a length with leading zeros', `${OK}Content-Length: 0005\r\n\r\nhello`, { body: 'hello' }],
    ['the end of the connection', `${OK}\r\nhello`, { body: 'hello' }],
    [
      'the end of the connection, HTTP/1.0',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello',
      { body: 'hello' },
    ],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', { body: '' }],
    ['204 with a length of nothing', `HTTP/1.1 204 No Content\r\n${EMPTY}`, { body: '' }],
    ['304 with the length of what it is about', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', { body: '' }],
    ['304 with a coding', 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', { body: '' }],
    ['205 with an empty chunked body', 'HTTP/1.1 205 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', { body: '' }],
    [
      'behind interim answers',
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: y\r\n\r\n${OK}${EMPTY}`,
      { status: 200 },
    ],
  ]);
  const framed = (fields: string): string => `${OK}${fields}\r\n\r\n2\r\nok\r\n0\r\n\r\n`;
  refuses([
    ['both', framed('Transfer-Encoding: chunked\r\nContent-Length: 12')],
    ['both, the other way round', framed('Content-Length: 12\r\nTransfer-Encoding: chunked')],
    ['two lengths', framed('Content-Length: 5\r\nContent-Length: 6')],
    ['the same length twice', framed('Content-Length: 5\r\nContent-Length: 5')],
    ['a list of lengths', framed('Content-Length: 5, 5')],
    ['a sign', framed('Content-Length: +5')],
    ['a negative length', framed('Content-Length: -5')],
    ['a space within', framed('Content-Length: 1 2')],
    ['a hexadecimal length', framed('Content-Length: 0x5')],
    ['a fraction', framed('Content-Length: 5.0')],
    ['an empty length', framed('Content-Length:')],
    ['a length that is not exact as a number', framed('Content-Length: 9999999999999999')],
    ['another coding', framed('Transfer-Encoding: gzip, chunked')],
    ['chunked twice', framed('Transfer-Encoding: chunked, chunked')],
    ['two codings', framed('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked')],
    ['identity', framed('Transfer-Encoding: identity')],
    ['a misspelt coding', framed('Transfer-Encoding: xchunked')],
    ['a coding with a parameter', framed('Transfer-Encoding: chunked;q=1')],
    ['an empty coding', framed('Transfer-Encoding:')],
    ['a tab behind the coding', framed('Transfer-Encoding: chunked\t')],
    ['a tab behind the length', framed('Content-Length: 12 \t')],
    ['a vertical tab before the coding', framed('Transfer-Encoding: \x0bchunked')],
    ['a coding from HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['204 with a body', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok'],
    ['204 with a coding', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an interim answer with a body', `HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok${OK}${EMPTY}`],
    ['an interim answer with a coding', `HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${OK}${EMPTY}`],
    ['101 that was not asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
    ['interim answers without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(BOUNDS.upstreamInterim + 1) + OK + EMPTY],
    ['an interim answer alone', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['a body that is cut off', `${OK}Content-Length: 5\r\n\r\nhell`],
    ['a head that is cut off', `${OK}Content-Length: 5\r\n`],
    ['nothing', ''],
    ['an end that an interim answer announced', `HTTP/1.1 100 X\r\nConnection: close\r\n\r\n${OK}\r\nhello`],
  ]);
});

describe('section 6: answers to HEAD have no body', () => {
  accepts(
    [
      ['with a length', `${OK}Content-Length: 5\r\n\r\n`, { body: '' }],
      ['with a coding', `${OK}Transfer-Encoding: chunked\r\n\r\n`, { body: '' }],
      ['without either', `${OK}\r\n`, { body: '' }],
    ],
    'HEAD',
  );
  refuses([['with both', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`]], 'HEAD');
});

const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

describe('section 7: chunks and trailers', () => {
  accepts([
    ['no data', `${CHUNKED}0\r\n\r\n`, { body: '' }],
    ['several chunks', `${CHUNKED}5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n`, { body: 'hello, world' }],
    [
      'sizes in either case, with zeros',
      `${CHUNKED}00A\r\n0123456789\r\nb\r\n0123456789a\r\n000\r\n\r\n`,
      { status: 200 },
    ],
    ['data that looks like framing', `${CHUNKED}5\r\n\r\n0\r\n\r\n0\r\n\r\n`, { body: '\r\n0\r\n' }],
    ['extensions', `${CHUNKED}2;a;b=c;d="e \\" f"\r\nok\r\n0;x\r\n\r\n`, { body: 'ok' }],
    [
      'trailers',
      `${CHUNKED}2\r\nok\r\n0\r\nX-Sum: 1\r\nY:\t2 \r\n\r\n`,
      { body: 'ok', trailers: ['X-Sum', '1', 'Y', '2'] },
    ],
  ]);
  const chunk = (text: string): string => `${CHUNKED}${text}0\r\n\r\n`;
  refuses([
    ['no size', chunk('\r\nok\r\n')],
    ['a size that is none', chunk('g\r\nok\r\n')],
    ['a sign', chunk('+2\r\nok\r\n')],
    ['0x', chunk('0x2\r\nok\r\n')],
    ['a space before the size', chunk(' 2\r\nok\r\n')],
    ['a space behind the size', chunk('2 \r\nok\r\n')],
    ['a tab behind the size', chunk('2\t\r\nok\r\n')],
    ['a space before an extension', chunk('2 ;a\r\nok\r\n')],
    ['an extension without a name', chunk('2;\r\nok\r\n')],
    ['an extension without a value', chunk('2;a=\r\nok\r\n')],
    ['a space within an extension', chunk('2;a =b\r\nok\r\n')],
    ['a quoted value without an end', chunk('2;a="b\r\nok\r\n')],
    ['text behind a quoted value', chunk('2;a="b"c\r\nok\r\n')],
    ['a line feed within an extension', chunk('2;a\nok\r\n')],
    ['a line feed within a quoted value', chunk('2;a="\n"\r\nok\r\n')],
    ['an extension that is too long', chunk(`2;${'a'.repeat(BOUNDS.chunkExtensionBytes)}\r\nok\r\n`)],
    ['a size that is not exact as a number', chunk('fffffffffffff\r\nok\r\n')],
    ['a bare LF behind the size', chunk('2\nok\r\n')],
    ['a bare CR behind the size', chunk('2\rok\r\n')],
    ['a bare LF behind the data', chunk('2\r\nok\n')],
    ['nothing behind the data', chunk('2\r\nok')],
    ['more data than the size says', chunk('2\r\noki\r\n')],
    ['less data than the size says', chunk('3\r\nok\r\n')],
    ['no last chunk', `${CHUNKED}2\r\nok\r\n`],
    ['no empty line at the end', `${CHUNKED}2\r\nok\r\n0\r\n`],
    ['a bare LF at the end', `${CHUNKED}2\r\nok\r\n0\r\n\n`],
    ['a trailer that is none', `${CHUNKED}0\r\nX\r\n\r\n`],
    ['a folded trailer', `${CHUNKED}0\r\nX: a\r\n b\r\n\r\n`],
    ['a length among the trailers', `${CHUNKED}0\r\nContent-Length: 0\r\n\r\n`],
    ['a coding among the trailers', `${CHUNKED}0\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['trailers that are too long', `${CHUNKED}0\r\n${`X: ${'y'.repeat(1000)}\r\n`.repeat(17)}\r\n`],
    ['a trailer line without an end', `${CHUNKED}0\r\nX: ${'y'.repeat(BOUNDS.upstreamTrailerBytes)}`],
  ]);
});

describe('section 9: whether the connection can be used again', () => {
  const cases: readonly (readonly [
    name: string,
    answer: string,
    method: string,
    isReusable: boolean,
    excess: number,
  ])[] = [
    ['a length', `${OK}${EMPTY}`, 'GET', true, 0],
    ['chunks', `${CHUNKED}0\r\n\r\n`, 'GET', true, 0],
    ['no body', 'HTTP/1.1 304 X\r\n\r\n', 'GET', true, 0],
    ['Connection: keep-alive', `${OK}Connection: keep-alive\r\n${EMPTY}`, 'GET', true, 0],
    ['Connection: close', `${OK}Connection: close\r\n${EMPTY}`, 'GET', false, 0],
    ['close among others', `${OK}Connection: x, Close\r\n${EMPTY}`, 'GET', false, 0],
    ['close in a second field', `${OK}Connection: x\r\nConnection: close\r\n${EMPTY}`, 'GET', false, 0],
    ['close on an interim answer', `HTTP/1.1 100 X\r\nConnection: close\r\n\r\n${OK}${EMPTY}`, 'GET', false, 0],
    ['HTTP/1.0', `HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n${EMPTY}`, 'GET', false, 0],
    ['HEAD', `${OK}${EMPTY}`, 'HEAD', false, 0],
    ['bytes behind a length', `${OK}${EMPTY}\r\n`, 'GET', true, 2],
    ['bytes behind chunks', `${CHUNKED}0\r\n\r\nHTTP/1.1 200 OK`, 'GET', true, 15],
    ['a body behind 304', 'HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\nok', 'GET', true, 2],
    ['a body behind HEAD', `${OK}Content-Length: 2\r\n\r\nok`, 'HEAD', false, 2],
  ];
  for (const [name, answer, method, isReusable, excess] of cases) {
    test(`${name}: ${isReusable && excess === 0 ? 'yes' : 'no'}`, () => {
      const reader = new AnswerReader();
      reader.begin(method);
      const bytes = Buffer.from(answer, 'latin1');
      reader.read(bytes, bytes.length);
      assert.deepEqual([reader.isWhole, reader.isReusable, reader.excess], [true, isReusable, excess]);
    });
  }

  const keepAlives: readonly (readonly [value: string, seconds: number | null])[] = [
    ['timeout=5', 5],
    ['timeout=5, max=100', 5],
    ['max=100, timeout=5', 5],
    ['max=100', null],
    ['timeout=x', null],
    ['xtimeout=5', null],
  ];
  for (const [value, seconds] of keepAlives) {
    test(`Keep-Alive: ${value} is ${seconds} seconds`, () => {
      const reader = new AnswerReader();
      reader.begin('GET');
      const bytes = Buffer.from(`${OK}Keep-Alive: ${value}\r\n${EMPTY}`);
      reader.read(bytes, bytes.length);
      assert.equal(reader.keepAliveSeconds, seconds);
    });
  }
});

test('one reader reads answer after answer as if each were the first', () => {
  const reader = new AnswerReader();
  const answers = [
    `${CHUNKED}2\r\nok\r\n0\r\nX: 1\r\n\r\n`,
    `${OK}Content-Length: 3\r\n\r\nyes`,
    'HTTP/1.1 204 X\r\n\r\n',
  ];
  for (let count = 0; count < 30; count++) {
    const answer = answers[count % 3]!;
    reader.begin('GET');
    let body = '';
    for (const octet of Buffer.from(answer)) {
      reader.read(Buffer.of(octet), 1);
      body += reader.body.toString('latin1', reader.from, reader.to);
    }
    assert.ok(reader.isWhole && reader.isReusable && reader.flaw === '' && reader.excess === 0);
    assert.equal(body, ['ok', 'yes', ''][count % 3]);
    assert.equal(reader.trailers.length, count % 3 === 0 ? 2 : 0);
  }
});

test('a head that comes octet by octet costs no more than its bytes', () => {
  const bytes = Buffer.from(`${OK}X: ${'y'.repeat(60_000)}\r\n${EMPTY}`);
  const reader = new AnswerReader();
  reader.begin('GET');
  for (const octet of bytes) reader.read(Buffer.of(octet), 1);
  assert.ok(reader.isWhole);
});
