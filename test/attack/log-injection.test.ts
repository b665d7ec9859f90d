// What a client sends stands in log lines: each stays one line and one JSON object with the fields it should have, within
// bounds, with nothing that a terminal acts on, and without a key.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { type Arena, HOST, KEYS } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { request } from './harness/ways.ts';

/** Part of each text that is sent as a key and is none. */
const SECRET = 'secret-never-logged';

/** The fields of a request's line, in their order (SPEC section 6). */
const FIELDS =
  'time level msg requestId traceId client peer route method path status outcome reason key owner missing limit overheadMs upstreamMs bytesIn bytesOut userAgent';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** C0, DEL and C1, what ends lines for some readers, and what turns text around. */
const ACTS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const MOST_CHARACTERS = 512;

const readUpTo = new WeakMap<Arena['gateway'], number>();

/** Judges all lines that were not judged before. */
function judgeLines(_seen: readonly SeenRequest[], { gateway }: Arena): void {
  const output = gateway.output();
  const from = readUpTo.get(gateway) ?? 0;
  const to = output.lastIndexOf('\n') + 1;
  readUpTo.set(gateway, to);
  for (const line of output.slice(from, to).split('\n').slice(0, -1)) judgeLine(line);
}

function judgeLine(line: string): void {
  assert.doesNotMatch(line, ACTS, 'a character that is acted on');
  for (const secret of [SECRET, ...Object.values(KEYS)]) assert.ok(!line.includes(secret), `a key, in ${line}`);
  const said = JSON.parse(line) as Record<string, unknown>;
  for (const [name, value] of Object.entries(said)) {
    if (typeof value !== 'string') continue;
    assert.ok(value.length <= MOST_CHARACTERS, `${value.length} characters of ${name}`);
    assert.doesNotMatch(value, ACTS, `${name}, once it is parsed`);
  }
  if (said['msg'] !== 'request') return;
  const { detail: _detail, ...fields } = said;
  assert.equal(Object.keys(fields).join(' '), FIELDS, line);
  assert.match(String(said['requestId']), UUID, "an id of the client's own");
  assert.match(String(said['traceId']), /^(?:null|[0-9a-f]{32})$/);
  assert.match(String(said['route']), /^(?:null|open|socket|admin|public)$/);
  assert.match(String(said['method']), /^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,32}$/);
  assert.match(String(said['key']), /^(?:null|reader)$/);
  assert.match(String(said['owner']), /^(?:null|acme)$/);
  assert.equal(said['peer'], '127.0.0.1');
  assert.match(String(said['path']), /^(?:null|\/[\x21-\x7e]*…?)$/);
}

function logged(fields: string, source: string, answers: readonly number[] = [200], target = '/open/a'): KnownCase {
  return {
    name: `${JSON.stringify(fields.slice(0, 60))} to ${JSON.stringify(target.slice(0, 60))}`,
    source,
    bytes: request(target, { fields: `${fields}\r\n` }),
    answers,
    ...(answers[0] === 200 && { sees: [`GET ${target}`] }),
  };
}

const ACTING = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\x1b[2J\x1b[1;1H',
  '\x1b]0;owned\x07',
  '\x1b]8;;http://a/\x1b\\',
  '\x9b31m',
  '\xc2\x9b31m',
  '\xc2\x85',
  '\xe2\x80\xa8',
  '\xe2\x80\xa9',
  '\xe2\x80\xae',
  '\x7f',
  '\x08\x08\x08',
  '\xff\xfe',
  '\xed\xa0\x80',
  '"',
  '\\',
  '\\u0000',
  '\\"',
  '","status":200,"key":"admin","x":"',
  '"}\n{"msg":"request","outcome":"allowed"}',
  '${jndi:ldap://a/b}',
  '%s%n%x',
  '%0d%0a',
  '%1b[2J',
  '%e2%80%ae',
  '%c2%9b',
  '<script>alert(1)</script>',
  '\xe9',
  'a'.repeat(600),
  '\xe2\x82\xac'.repeat(300),
];

attackClass({
  name: 'log injection',
  why: 'What cannot stand in a field or a target is refused with its whole request; what may stand there is forwarded as it is and written to the log without what acts.',
  check: judgeLines,
  known: [
    logged('User-Agent: a","key":"admin","x":"', 'CVE-2025-25294 (Envoy Gateway)'),
    logged('User-Agent: "}{"msg":"request"}', 'CVE-2025-25294 (Envoy Gateway)'),
    logged('User-Agent: ${jndi:ldap://127.0.0.1/a}', 'CVE-2021-44228 (Log4j)'),
    logged('User-Agent: \x9b31mred\xc2\x9b0m', 'ECMA-48 section 5.3'),
    logged('User-Agent: \xe2\x80\xaenimda\xe2\x80\xa8', 'CVE-2021-42574 (bidirectional text)'),
    logged(`User-Agent: ${'a'.repeat(8_000)}`, 'CWE-779'),
    logged('User-Agent: a\nX: b', 'CWE-117', [400]),
    logged('User-Agent: a\r{"msg":"request"}', 'CWE-117', [400]),
    logged('User-Agent: \x1b[2J', 'CWE-150', [400]),
    logged('User-Agent: a\0b', 'CVE-2019-9900 (Envoy)', [400]),
    logged('traceparent: 00-"}\\n{-00', 'W3C Trace Context section 3.2'),
    logged('traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01', 'W3C Trace Context section 3.2'),
    logged('X-Request-Id: forged-request-id', 'CWE-117'),
    logged('X-Request-Id: ","outcome":"allowed', 'CWE-117'),
    logged('X-Forwarded-For: "}{"client":"10.0.0.1"}', 'CWE-117'),
    logged('A: b', 'CWE-117', [400], '/open/%0d%0a{"msg":"request"}'),
    logged('A: b', 'CWE-150', [400], '/open/%1b[2J'),
    logged('A: b', 'CWE-150', [400], '/open/%c2%9b31m'),
    logged('A: b', 'CVE-2024-45808 (Envoy)', [404], '/","outcome":"allowed'.replaceAll('"', '%22')),
    logged('A: b', 'CWE-532', [200], `/open/a?api_key=${SECRET}&token=${SECRET}`),
    {
      name: 'a Host that is JSON',
      source: 'CVE-2024-45808 (Envoy)',
      bytes: `GET /open/a HTTP/1.1\r\nHost: a","key":"admin\r\n\r\n`,
      answers: [400],
    },
    {
      name: 'a method that is JSON',
      source: 'CWE-117',
      bytes: request('/open/a', { method: '{"msg":"request"}' }),
      answers: [400],
    },
    {
      name: 'bytes that are no request',
      source: 'CWE-117',
      bytes: '{"level":"info","msg":"request"}\n\x1b[2J\r\n\r\n',
      answers: [400],
    },
    {
      name: 'a key that is JSON',
      source: 'CWE-532',
      bytes: `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\nx-api-key: ","${SECRET}":"\r\n\r\n`,
      answers: [401],
    },
  ],
  generate: ({ below }) => {
    const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
    const text = (): string => Array.from({ length: 1 + below(3) }, () => any(ACTING) + any(['', 'a', ' '])).join('');
    const key = below(3) ? KEYS.reader : `${SECRET}${text()}${SECRET}`;
    let fields = '';
    for (let count = below(4); count > 0; count -= 1)
      fields += `${any(['User-Agent', 'user-agent', 'traceparent', 'tracestate', 'X-Request-Id', 'X-Forwarded-For', 'Referer', text()])}: ${text()}\r\n`;
    const host = below(6) ? HOST : text();
    const target = below(2)
      ? `/open/a${below(3) ? '' : text()}?q=${SECRET}`
      : `${any(['/', '/open/', '/admin/', ''])}${text()}`;
    const method = below(8) ? any(['GET', 'POST', 'HEAD']) : any(['get', 'TRACE', text()]);
    return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\n${fields}\r\n`;
  },
});
