// SPEC section 4.1: ambiguous input is refused, not repaired; what is accepted reaches the upstream in its canonical form.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Connection, DEFAULT_HOST, requestBytes, send } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { inTime } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const key = 'an-imported-key-of-anyone';

let scene: Scene;
let gateway: GatewayProcess;
let app: Upstream;

before(async () => {
  scene = await Scene.open('sqlite');
  app = await scene.upstream();
  gateway = await scene.gateway({
    upstreams: { app: { targets: [app.url] } },
    routes: {
      // Whatever an ambiguous target might be repaired to, some route would take it.
      files: { path: '/files/**', upstream: 'app' },
      rest: { path: '/**', upstream: 'app', access: 'public' },
    },
  });
  await scene.importKeys(gateway, [{ id: 'anyone', owner: 'acme', secret: key }]);
});
after(() => scene.close());

/** Sends these bytes, and expects 400, the end of the connection, and an upstream that saw nothing. */
async function assertRefused(bytes: Buffer): Promise<void> {
  const before = app.seen.length;
  const connection = await Connection.open(gateway.proxyPort);
  try {
    connection.write(bytes);
    const answer = await connection.response();
    assertProblem(answer, 400, 'ambiguous_request');
    assert.equal(answer.header('connection')?.toLowerCase(), 'close');
    await inTime(connection.closed, 'the end of the connection');
  } finally {
    connection.destroy();
  }
  assert.equal(app.seen.length, before, `the upstream got ${app.seen.at(-1)?.target}`);
}

const AMBIGUOUS_TARGETS: Readonly<Record<string, readonly string[]>> = {
  'dot segments': ['/files/../x', '/files/./x', '/files/..', '/files/.', '/..', '/files/x/../../y'],
  'encoded dot segments': ['/files/%2e%2e/x', '/files/%2E/x', '/files/.%2e/x', '/files/%2e.', '/%2e%2e'],
  '//': ['/files//x', '//files/x', '/files/x//', '//'],
  'an encoded slash': ['/files/%2fx', '/files/..%2Fx', '/files%2Fx'],
  'an encoded backslash': ['/files/%5cx', '/files/..%5C..'],
  'an encoded control character': [
    '/files/%00',
    '/files/%0a',
    '/files/%0D%0Ax',
    '/files/%1f',
    '/files/%7F',
    '/files/%09',
  ],
  '\\': ['/files/\\x', '/files\\x', '\\files'],
  ';': ['/files;a=b/x', '/files/x;jsessionid=1', '/files/..;/x'],
  '#': ['/files/x#part', '/files/x?q=1#part', '/#'],
  'invalid percent-encoding': ['/files/%', '/files/%4', '/files/%zz', '/files/%u0041', '/files/%%41', '/files/x%'],
  'invalid UTF-8': [
    '/files/%ff',
    '/files/%c0%af',
    '/files/%ed%a0%80',
    '/files/%f5%80%80%80',
    '/files/%c3',
    '/files/%80',
  ],
  'bytes that are no characters of a target': ['/files/\xff', '/files/\xc3\xa9', '/files/\x01', '/files/\x7f'],
  'absolute-form with another authority': [
    'http://other.test/files/x',
    `http://${DEFAULT_HOST}:81/files/x`,
    `http://user@${DEFAULT_HOST}/files/x`,
    `ftp://${DEFAULT_HOST}/files/x`,
  ],
  'a target that is no path': ['files/x', '*', '?q=1'],
};

describe('ambiguous input is refused, not repaired: 400, the connection ends, the upstream sees nothing', () => {
  for (const [kind, targets] of Object.entries(AMBIGUOUS_TARGETS)) {
    test(`target: ${kind}`, async (t) => {
      for (const target of targets) {
        await t.test(JSON.stringify(target), () =>
          assertRefused(requestBytes({ target, headers: { 'X-Api-Key': key } })),
        );
      }
    });
  }

  const hosts: Readonly<Record<string, readonly string[]>> = {
    'two Host headers': ['Host: gateway.test\r\nHost: gateway.test', 'Host: gateway.test\r\nHost: other.test'],
    'no Host header': [''],
    'a malformed Host': [
      'Host: a b',
      'Host: gateway.test/x',
      'Host: user@gateway.test',
      'Host: gateway.test:port',
      'Host: gateway.test:99999',
      'Host: [::1',
      'Host: gateway.test, other.test',
      'Host: gateway.test\\x',
      'Host: gate%77ay.test',
    ],
  };
  for (const [kind, lines] of Object.entries(hosts)) {
    test(`Host: ${kind}`, async (t) => {
      for (const line of lines) {
        const head = `GET /files/x HTTP/1.1\r\nX-Api-Key: ${key}\r\n${line}${line === '' ? '' : '\r\n'}\r\n`;
        await t.test(JSON.stringify(line), () => assertRefused(Buffer.from(head, 'latin1')));
      }
    });
  }

  const framings: Readonly<Record<string, string>> = {
    'Content-Length with Transfer-Encoding': 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding with Content-Length': 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'two Content-Lengths that differ': 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    'a list of Content-Lengths that differ': 'Content-Length: 5, 6\r\n\r\nhello!',
    'a signed Content-Length': 'Content-Length: +5\r\n\r\nhello',
    'a negative Content-Length': 'Content-Length: -5\r\n\r\nhello',
    'a hexadecimal Content-Length': 'Content-Length: 0x5\r\n\r\nhello',
    'chunked twice': 'Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n',
    'chunked not last': 'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
    'an unknown coding': 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'chunked and identity': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n',
    'a space before the colon': 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    'a folded header line': 'X-Folded: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'a bare carriage return': 'X-Odd: a\rTransfer-Encoding: chunked\r\n\r\n',
    'a zero byte in a header': 'X-Odd: a\0b\r\nContent-Length: 0\r\n\r\n',
  };
  for (const [kind, rest] of Object.entries(framings)) {
    test(`conflicting framing: ${kind}`, () =>
      assertRefused(
        Buffer.from(`POST /files/x HTTP/1.1\r\nHost: gateway.test\r\nX-Api-Key: ${key}\r\n${rest}`, 'latin1'),
      ));
  }
});

describe('the raw target is parsed once into a canonical one', () => {
  const canonical: readonly (readonly [sent: string, forwarded: string])[] = [
    ['/files/%41%5a%61%7a%30%39', '/files/AZaz09'],
    ['/files/%2d%2E%5f%7Ex', '/files/-._~x'],
    ['/f%69les/x', '/files/x'],
    ['/files/a%20b', '/files/a%20b'],
    ['/files/%C3%A9', '/files/%C3%A9'],
    ['/files/%25', '/files/%25'],
    ['/files/%3F%3f', '/files/%3F%3F'],
    ['/files/...', '/files/...'],
    ['/files/x?a=1&b=%20&c=%41&d=/../&&e', '/files/x?a=1&b=%20&c=A&d=/../&&e'],
    [`http://${DEFAULT_HOST}/files/x`, '/files/x'],
  ];
  for (const [sent, forwarded] of canonical) {
    test(`percent-encoded unreserved characters are decoded: ${sent}`, async () => {
      const answer = await send(gateway.proxyPort, { target: sent, headers: { 'X-Api-Key': key } });
      assert.equal(answer.status, 200, answer.text());
      assert.equal(app.last().target, forwarded);
      const line = await gateway.logLine((each) => each['requestId'] === answer.header('x-request-id'));
      assert.equal(line['path'], forwarded.split('?')[0], 'what is logged is the canonical path, without the query');
      assert.equal(line['route'], 'files', 'what is matched is the canonical path');
    });
  }
});
