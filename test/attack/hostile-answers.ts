// Answers that upstreams, or those who got hold of one, have attacked gateways with, and what a client gets for each.

/** Stands in what must never reach another client. */
export const POISON = 'poison-for-the-next-one';

export interface HostileAnswer {
  readonly name: string;
  readonly source: string;
  readonly bytes: string;
  readonly method?: 'GET' | 'HEAD';
  /** The status that the client gets; `cut` where the head was passed on before the flaw: its connection ends before the body does. */
  readonly gets: number | 'cut';
  readonly body?: string;
  readonly then?: 'end' | 'reset';
}

const SPLIT = `HTTP/1.1 200 OK\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`;
const RESPONSES = 'M. Doyhenard 2021, Response Smuggling';
const QUEUE = 'PortSwigger 2021, HTTP/2: the sequel is always worse (response queue)';

/** A 200 with these lines between its status line and its empty one, and a body of five bytes. */
function fields(
  name: string,
  source: string,
  lines: string,
  gets: HostileAnswer['gets'] = 502,
  body = 'hello',
): HostileAnswer {
  return {
    name,
    source,
    bytes: `HTTP/1.1 200 OK\r\n${lines}\r\n${body}`,
    gets,
    ...(gets === 200 && { body: 'hello' }),
  };
}

function line(statusLine: string, source = 'RFC 9112 section 4'): HostileAnswer {
  return {
    name: `status line ${JSON.stringify(statusLine)}`,
    source,
    bytes: `${statusLine}\r\nContent-Length: 5\r\n\r\nhello`,
    gets: 502,
  };
}

function chunks(name: string, source: string, body: string, gets: HostileAnswer['gets'] = 'cut'): HostileAnswer {
  return { ...fields(name, source, 'Transfer-Encoding: chunked\r\n', gets, body), then: 'end' };
}

export const HOSTILE_ANSWERS: readonly HostileAnswer[] = [
  fields('two equal Content-Lengths', 'RFC 9112 section 6.3', 'Content-Length: 5\r\nContent-Length: 5\r\n'),
  fields('two different Content-Lengths', RESPONSES, 'Content-Length: 0\r\nContent-Length: 5\r\n'),
  fields(
    'Content-Length and chunked',
    RESPONSES,
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    502,
    '5\r\nhello\r\n0\r\n\r\n',
  ),
  ...['xchunked', 'gzip, chunked', 'chunked, identity', 'chunked, chunked', 'identity', '\x0bchunked', ''].map(
    (coding) =>
      fields(
        `Transfer-Encoding: ${JSON.stringify(coding)}`,
        'RFC 9112 section 6.1',
        `Transfer-Encoding: ${coding}\r\n`,
        502,
        '5\r\nhello\r\n0\r\n\r\n',
      ),
  ),
  fields(
    'two Transfer-Encodings',
    'RFC 9112 section 6.1',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
    502,
    '0\r\n\r\n',
  ),
  ...['+5', '-5', '0x5', '5, 5', '5 5', '', '5.0', '99999999999999999999', '5\x0b'].map((length) =>
    fields(`Content-Length: ${JSON.stringify(length)}`, 'RFC 9110 section 8.6', `Content-Length: ${length}\r\n`),
  ),
  fields('a folded field', 'RFC 9112 section 5.2', 'Content-Length: 5\r\nX: a\r\n b\r\n'),
  fields('a folded Content-Length', 'RFC 9112 section 5.2', 'Content-Length:\r\n 5\r\n'),
  fields('a space before a colon', 'RFC 9112 section 5.1', 'Content-Length : 5\r\n'),
  fields('a bare LF', 'RFC 9112 section 2.2', 'Content-Length: 5\r\nX: a\nY: b\r\n'),
  fields(
    'a bare CR',
    'RFC 9112 section 2.2; CVE-2024-24795 (Apache httpd)',
    `Content-Length: 5\r\nX: a\rSet-Cookie: ${POISON}\r\n`,
  ),
  fields('NUL in a value', 'RFC 9110 section 5.5', 'Content-Length: 5\r\nX: a\0b\r\n'),
  fields('a line without a colon', 'RFC 9112 section 5', 'Content-Length: 5\r\nXyz\r\n'),
  fields('an empty name', 'RFC 9110 section 5.1', 'Content-Length: 5\r\n: x\r\n'),
  fields(
    'an encoded line end in a value, which is a value',
    'CVE-2024-24795 (Apache httpd)',
    `Content-Length: 5\r\nX: a%0d%0aSet-Cookie:%20${POISON}\r\n`,
    200,
  ),
  fields(
    'Connection that names fields of the gateway',
    'RFC 9110 section 7.6.1',
    'Content-Length: 5\r\nConnection: x-request-id, content-length\r\n',
    200,
  ),
  ...[
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 600 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 200OK',
    'HTTP/1.1',
    'HTTP/2.0 200 OK',
    'HTTP/1.2 200 OK',
    'http/1.1 200 OK',
    'ICY 200 OK',
    ' HTTP/1.1 200 OK',
    '\r\nHTTP/1.1 200 OK',
    'HTTP/1.1 -200 OK',
    'HTTP/1.1 200 O\0K',
  ].map((each) => line(each)),
  line('220 mail.test ESMTP', 'RFC 9112 section 4, another protocol'),
  { name: 'no status line at all', source: 'RFC 9112 section 2.3 (HTTP/0.9)', bytes: POISON, gets: 502, then: 'end' },
  {
    name: '101 unasked',
    source: 'CVE-2024-23326 (Envoy)',
    bytes: `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${POISON}`,
    gets: 502,
  },
  {
    name: 'nine interim answers',
    source: 'RFC 9110 section 15.2',
    bytes: 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(9),
    gets: 502,
  },
  {
    name: 'two interim answers and a final one',
    source: 'RFC 9110 section 15.2',
    bytes: `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(2)}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello`,
    gets: 200,
    body: 'hello',
  },
  {
    name: 'an interim answer with a body',
    source: 'RFC 9110 section 15.2',
    bytes: `HTTP/1.1 100 Continue\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`,
    gets: 502,
  },
  {
    name: 'an interim answer that is chunked',
    source: 'RFC 9112 section 6.1',
    bytes: `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SPLIT}`,
    gets: 502,
  },
  {
    name: '204 with a length',
    source: 'RFC 9110 section 8.6',
    bytes: `HTTP/1.1 204 No Content\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`,
    gets: 502,
  },
  {
    name: '204 with an answer behind it',
    source: RESPONSES,
    bytes: `HTTP/1.1 204 No Content\r\n\r\n${SPLIT}`,
    gets: 204,
    body: '',
  },
  {
    name: '304 with a body',
    source: 'RFC 9110 section 15.4.5',
    bytes: `HTTP/1.1 304 Not Modified\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`,
    gets: 304,
    body: '',
  },
  {
    name: 'HEAD with a body that is an answer',
    source: `${RESPONSES} (HEAD)`,
    bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`,
    method: 'HEAD',
    gets: 200,
    body: '',
  },
  {
    name: 'two answers',
    source: QUEUE,
    bytes: `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello${SPLIT}`,
    gets: 200,
    body: 'hello',
  },
  {
    name: 'an answer and garbage',
    source: QUEUE,
    bytes: `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\0${POISON}`,
    gets: 200,
    body: 'hello',
  },
  chunks('chunk size 0x5', 'RFC 9112 section 7.1', '0x5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk size +5', 'RFC 9112 section 7.1', '+5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk size beyond 64 bits', 'RFC 9112 section 7.1', '10000000000000005\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk size that ends with a bare LF', 'CVE-2025-22871 (Go)', '5\nhello\r\n0\r\n\r\n'),
  chunks('a chunk extension with a bare LF', 'CVE-2025-55315 (Kestrel)', '5;\nhello\r\n0\r\n\r\n'),
  chunks('a chunk extension of 20 KiB', 'CVE-2024-22019 (Node)', `5;${'a'.repeat(20_480)}\r\nhello\r\n0\r\n\r\n`),
  chunks('chunk data without CRLF', 'CVE-2025-43859 (h11)', '5\r\nhelloXX0\r\n\r\n'),
  chunks('chunks that break off', 'RFC 9112 section 8', '5\r\nhello\r\n'),
  chunks(
    'a Content-Length as a trailer',
    'RFC 9110 section 6.5.1',
    `0\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`,
  ),
  chunks('trailers of 20 KiB', 'RFC 9112 section 7.1.2', `0\r\n${`X: ${'a'.repeat(1000)}\r\n`.repeat(20)}\r\n`),
  {
    ...chunks(
      'Set-Cookie as a trailer, which is left out',
      'RFC 9110 section 6.5.1',
      `5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n`,
      200,
    ),
    body: 'hello',
  },
  fields('a head of 80 KiB', 'RFC 9110 section 5.4', `Content-Length: 5\r\n${`X: ${'a'.repeat(1000)}\r\n`.repeat(80)}`),
  fields('600 fields', 'RFC 9110 section 5.4', `Content-Length: 5\r\n${'X: a\r\n'.repeat(600)}`),
  { name: 'a reason of 80 KiB', source: 'RFC 9112 section 4', bytes: `HTTP/1.1 200 ${'a'.repeat(81_920)}`, gets: 502 },
  { name: 'nothing, and an end', source: 'RFC 9112 section 9.5', bytes: '', gets: 502, then: 'end' },
  { name: 'nothing, and a reset', source: 'RFC 9112 section 9.5', bytes: '', gets: 502, then: 'reset' },
  { name: 'half a head', source: 'RFC 9112 section 8', bytes: 'HTTP/1.1 200 OK\r\nContent-Le', gets: 502, then: 'end' },
  {
    name: 'half a head, and a reset',
    source: 'RFC 9112 section 8',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Le',
    gets: 502,
    then: 'reset',
  },
  {
    name: 'half a body',
    source: 'RFC 9112 section 8',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello',
    gets: 'cut',
    then: 'end',
  },
  {
    name: 'half a body, and a reset',
    source: 'RFC 9112 section 8',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello',
    gets: 'cut',
    then: 'reset',
  },
  {
    name: 'HTTP/1.0 up to its end',
    source: 'RFC 9112 section 6.3',
    bytes: 'HTTP/1.0 200 OK\r\n\r\nhello',
    gets: 200,
    body: 'hello',
    then: 'end',
  },
];
