// The attack harness itself: what it is to notice is noticed.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { inTime } from '../support/acceptance-wait.ts';
import { readAnswers } from './harness/answers.ts';
import { KEYS } from './harness/arena.ts';
import { startRecorder } from './harness/recorder.ts';
import { StrictReader } from './harness/strict-requests.ts';
import { headFlaws } from './harness/verdict.ts';

const IDENTITY = 'X-Consumer-Id: acme\r\nX-Credential-Identifier: reader\r\nX-Authenticated-Scope: open:read\r\n';

/** The flaws of one head as the gateway would send it to an upstream on port 9, but for what is changed. */
function flawsOf(options: {
  readonly target?: string;
  readonly identity?: string;
  readonly fields?: string;
  readonly host?: string;
  readonly sent?: string;
}): string[] {
  const { target = '/open/a', identity = IDENTITY, fields = '', host = 'gateway.test', sent = '' } = options;
  const own = `Host: 127.0.0.1:9\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: ${host}\r\nX-Request-Id: 1\r\n`;
  const reader = new StrictReader();
  reader.push(Buffer.from(`GET ${target} HTTP/1.1\r\n${own}${identity}${fields}\r\n`, 'latin1'));
  const head = reader.head();
  assert.ok(head);
  const connection = { text: () => '', tunnelled: () => undefined };
  return [...headFlaws({ ...head, body: undefined, during: '', sent, connection }, 9, {})];
}

test('a request as it should be has no flaw', () => {
  assert.deepEqual(flawsOf({}), []);
  assert.deepEqual(flawsOf({ target: '/open/a%20b/%C3%A9?q=%2F..;x' }), []);
  assert.deepEqual(flawsOf({ target: '/public/a', identity: '' }), []);
  assert.deepEqual(flawsOf({ host: 'gateway.tes', sent: 'GET / HTTP/1.1\r\nHost: gateway.tes \r\n\r\n' }), []);
});

for (const [what, change] of [
  ['a path nobody may use', { target: '/admin/a' }],
  ['a dot segment', { target: '/open/../admin' }],
  ['an encoded dot segment', { target: '/open/%2E%2E/admin' }],
  ['an encoded slash', { target: '/open/..%2Fadmin' }],
  ['a doubled slash', { target: '/open//a' }],
  ['a parameter', { target: '/open/a;b' }],
  ['digits in lower case', { target: '/open/%c3%a9' }],
  ['an encoded letter', { target: '/open/%61' }],
  ['an identity of another spelling', { fields: 'x_consumer_id: acme\r\n' }],
  ['a second identity', { fields: 'X-Consumer-Id: root\r\n' }],
  ['another identity', { identity: IDENTITY.replace('acme', 'root') }],
  ['no identity', { identity: '' }],
  ['an identity on a public route', { target: '/public/a' }],
  ['a hop-by-hop field', { fields: 'TE: trailers\r\n' }],
  ['a Connection field', { fields: 'Connection: X-Consumer-Id\r\n' }],
  ['an upgrade where none is listed', { fields: 'Upgrade: websocket\r\n' }],
  ['a second Host', { fields: 'Host: a\r\n' }],
  ['a second chain', { fields: 'X-Forwarded-For: 10.0.0.1\r\n' }],
  ['a spelling of a forwarding field', { fields: 'X_Forwarded_Proto: https\r\n' }],
  ['a host that nobody sent', { host: 'gateway.tes', sent: 'GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n' }],
  ['a credential', { fields: `X-Other: ${KEYS.reader}\r\n` }],
] as const) {
  test(`the invariant notices ${what}`, () => {
    assert.notDeepEqual(flawsOf(change), []);
  });
}

for (const bytes of [
  'GET /a HTTP/1.1\n\n',
  'GET /a HTTP/1.1\r\nA: b\n\r\n\r\n',
  'GET  /a HTTP/1.1\r\n\r\n',
  'GET http://a/ HTTP/1.1\r\n\r\n',
  'GET /a HTTP/1.0\r\n\r\n',
  'GET /a HTTP/1.1\r\nA : b\r\n\r\n',
  'GET /a HTTP/1.1\r\nA: b\r\n c\r\n\r\n',
  'GET /a HTTP/1.1\r\nA: \0\r\n\r\n',
  'GET /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  'GET /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n',
  'GET /a HTTP/1.1\r\nContent-Length: +1\r\n\r\n',
  'GET /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  'GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nb\r\n0\r\n\r\n',
  'GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n',
]) {
  test(`the strict reader refuses ${JSON.stringify(bytes)}`, () => {
    const reader = new StrictReader();
    reader.push(Buffer.from(bytes, 'latin1'));
    assert.throws(() => {
      const head = reader.head();
      assert.ok(head, 'it waits for more');
      reader.body(head);
    });
  });
}

test('bytes that are no answer are noticed, and so is half of one', () => {
  assert.throws(() => readAnswers('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n'));
  assert.throws(() => readAnswers('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n'));
  assert.throws(() => readAnswers('HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n'));
  assert.equal(readAnswers('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc').isWhole, false);
  assert.equal(readAnswers('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n').isWhole, false);
});

test('the recorder keeps each byte, and names the case that flawed bytes came with', async () => {
  const recorder = await startRecorder();
  try {
    recorder.begin('this case');
    const socket = connect({ port: recorder.port, host: '127.0.0.1' });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {}).resume();
    socket.write('GET /a HTTP/1.1\r\n\r\nGET /b\n\n');
    await inTime(closed, 'the end of a connection with flawed bytes');
    assert.deepEqual(
      recorder.requests.map(({ target }) => target),
      ['/a'],
    );
    assert.match(recorder.flaws.join(), /^this case: .*CRLF/);
    assert.equal(recorder.connections[0]?.text(), 'GET /a HTTP/1.1\r\n\r\nGET /b\n\n');
  } finally {
    await recorder.close();
  }
});
