// Every judge of the fuzzer sees what it is there for: each is shown something right, and the same with a planted defect.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readConfig } from '../../src/config/load.ts';
import { judge as judgeClient, type Trace } from './client/judge.ts';
import { KEYS } from './client/scene.ts';
import { judge as judgeFile } from './configuration/judge.ts';
import { letsStrangersIn } from './configuration/stranger.ts';
import type { FuzzSession } from './fuzz-case.ts';
import { PEPPER, sceneRecords } from './store/scene.ts';
import { storeTarget } from './store/target.ts';
import { strictAnswerAt } from './strict/answers.ts';
import { strictRequests } from './strict/requests.ts';
import { judge as judgeUpstream } from './upstream/judge.ts';

describe('client bytes', () => {
  const SENT = `GET /orders/7 HTTP/1.1\r\nHost: a\r\nX-Api-Key: ${KEYS[0]!.secret}\r\nX-Own: 1\r\n\r\n`;
  const SEEN = [
    'GET /orders/7 HTTP/1.1\r\nhost: b\r\nconnection: keep-alive\r\nX-Own: 1\r\nX-Forwarded-For: 127.0.0.2\r\nX-Forwarded-Proto: http\r\n',
    'X-Forwarded-Host: a\r\nX-Request-Id: r1\r\nX-Consumer-Id: acme\r\nX-Credential-Identifier: alpha\r\n',
    'X-Consumer-Groups: reader\r\nX-Authenticated-Scope: orders:read profile:read\r\n\r\n',
  ].join('');
  const LINE = { requestId: 'r1', outcome: 'allowed', method: 'GET', path: '/orders/7', route: 'orders', key: 'alpha' };
  const GOT = 'HTTP/1.1 200 OK\r\nX-Witness: yes\r\nX-Request-Id: r1\r\nContent-Length: 2\r\n\r\nok';

  const traceOf = ({ sent = SENT, seen = SEEN, got = GOT, lines = [LINE] as Trace['lines'] }): Trace => ({
    peer: '127.0.0.2',
    sent,
    received: got,
    isReset: false,
    lines,
    witnessed: strictRequests(seen).requests.map((request) => ({ request, requestId: 'r1' })),
  });

  test('what is right is found right', () => assert.equal(judgeClient(traceOf({})), undefined));

  for (const [defect, planted, rule] of [
    ['another path', { seen: SEEN.replace('/orders/7', '/orders/8') }, /authorised/],
    [
      'a path of another scope',
      { sent: SENT.replace('/orders/7', '/admin'), seen: SEEN.replace('/orders/7', '/admin') },
      /authorised/,
    ],
    ['another identity', { seen: SEEN.replace('acme', 'root') }, /authorised/],
    ['an identity in another spelling', { seen: SEEN.replace('X-Own: 1', 'X_Consumer_Id: root') }, /authorised/],
    ['the credential', { seen: SEEN.replace('X-Own: 1', `X-Api-Key: ${KEYS[0]!.secret}`) }, /authorised/],
    ['a forged client address', { seen: SEEN.replace('127.0.0.2', '10.0.0.1') }, /authorised/],
    ['a second request', { seen: SEEN + SEEN }, /authorised/],
    ['a request with two credentials', { sent: SENT.replace('X-Own: 1', 'Authorization: Bearer x') }, /authorised/],
    ['a denied request', { lines: [{ ...LINE, outcome: 'denied', reason: 'unknown' }] }, /authorised/],
    ['no log line', { lines: [] }, /one log line/],
    ['a log line twice', { lines: [LINE, LINE] }, /one log line/],
    ['an answer too many', { got: GOT + GOT + GOT }, /no answer without a request/],
    ['an answer that is cut', { got: GOT.slice(0, -1) }, /answered in HTTP/],
    ['an answer that is none', { got: `x${GOT}` }, /answered in HTTP/],
    ['a failure', { got: GOT.replace('200 OK', '500 Oh') }, /break the gateway/],
  ] as const)
    test(`${defect} is seen`, () => assert.match(String(judgeClient(traceOf(planted))?.rule), rule));
});

describe('upstream bytes', () => {
  const SENT = 'HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 2\r\n\r\nok';
  const verdictOn = (sent: string, got: string, isEnded = true) => {
    const answer = strictAnswerAt(got, 0, 'GET', isEnded);
    const found = typeof answer === 'string' ? null : answer;
    return judgeUpstream('GET used late end', [sent], {
      answer: found,
      text: got,
      isUnreadable: answer === 'invalid',
      isStuck: false,
    })?.rule;
  };

  test('what is right is found right', () => assert.equal(verdictOn(SENT, SENT), undefined));

  for (const [defect, sent, got, rule] of [
    ["another's body", SENT, SENT.replace('ok', 'no'), /meant/],
    ['another status', SENT, SENT.replace('200', '201'), /meant/],
    ['an invented field', SENT, SENT.replace('X: 1', 'X: 2'), /meant/],
    ['an answer out of nothing', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok', SENT, /no answer/],
    ['a part for the whole', SENT.replace('2\r\n\r\n', '9\r\n\r\n'), SENT, /passed off/],
    ['a sound answer that is kept back', SENT.replace('X: 1\r\n', ''), '', /sound/],
    ['bytes that are none', SENT, 'garbage\r\n\r\n', /in HTTP/],
  ] as const)
    test(`${defect} is seen`, () => assert.match(String(verdictOn(sent, got)), rule));
});

describe('configuration files', () => {
  const OPEN = { version: 1, upstreams: { a: { targets: ['http://127.0.0.1:1'] } } };

  test('what is right is found right, and so is what is told well', async () => {
    assert.equal(await judgeFile('version: 1\n'), undefined);
    assert.equal(await judgeFile('version: 2\n'), undefined);
  });

  test('an open route is seen, a closed one is none', async () => {
    for (const access of ['public', 'key'])
      assert.equal(
        await letsStrangersIn(
          await readConfig({ ...OPEN, routes: { all: { path: '/**', upstream: 'a', access } } }, {}),
        ),
        access === 'public',
      );
  });
});

describe('Redis contents', () => {
  let session: FuzzSession;
  before(async () => {
    session = await storeTarget.open();
  });
  after(() => session.close());

  const setting = (text: string) =>
    Array.from({ length: 30 }, (_, key) => ({
      setting: 'redis',
      parts: [JSON.stringify({ do: 'command', name: 'SET', key, words: [text] })],
    }));

  test('a record that only the holder of the pepper can make is seen, one without its MAC is not', async () => {
    const beta = sceneRecords().find(({ id }) => id === 'beta')!;
    const widened = { ...beta, scopes: ['*'] };
    assert.deepEqual(await session.attempt(setting(JSON.stringify(widened))), []);
    const [finding] = await session.attempt(setting(JSON.stringify(PEPPER.seal(widened))));
    assert.equal(finding?.rule, 'nobody gets in who did not before');
  });
});
