// Routes as SPEC section 2 describes them: precedence, hosts, methods, public access, preflight, observe, bounds of
// the body, and Expect.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import {
  Connection,
  HANDSHAKE,
  requestBytes,
  send,
  type RequestParts,
  type Response,
} from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import type { GatewayProcess, LogLine } from '../support/gateway-process.ts';

const key = 'an-imported-key-of-anyone';
const bare = 'an-imported-key-without-scope';
const asAnyone = { 'X-Api-Key': key };

let scene: Scene;
let app: Upstream;
let gateway: GatewayProcess;

before(async () => {
  scene = await Scene.open('sqlite');
  app = await scene.upstream();
  const route = (path: string, own: object = {}): object => ({ path, upstream: 'app', ...own });
  gateway = await scene.gateway({
    upstreams: { app: { targets: [app.url] } },
    routes: {
      literal: route('/shop/items/list'),
      one: route('/shop/items/*'),
      named: route('/shop/{kind}/price'),
      many: route('/shop/items/**'),
      hosted: route('/shop/items/**', { hosts: ['api.example.com'] }),
      anything: route('/any/**'),
      'read-only': route('/read-only', { methods: ['GET', 'HEAD'] }),
      open: route('/open/**', { access: 'public' }),
      cors: route('/cors/**', { preflight: true }),
      small: route('/small', { maxBody: '1KiB' }),
      watched: route('/watched/**', {
        mode: 'observe',
        scopes: ['things:read'],
        limits: { few: { requests: 2, per: '1d', by: 'key' } },
      }),
      'watched-fence': route('/watched-fence', { mode: 'observe', networks: { allow: ['203.0.113.0/24'], deny: [] } }),
      'all-of': route('/all-of', { scopes: ['a:x', 'a:y'] }),
      'any-of': route('/any-of', { scopes: { any: ['a:x', 'b:x'] } }),
      nested: route('/nested', { scopes: { all: ['a:x', { any: ['b:x', 'c:x'] }] } }),
      sockets: route('/sockets', { upgrade: ['websocket'] }),
    },
  });
  const scoped = (id: string, scopes: string[]): object => ({ id, owner: 'acme', secret: secretOf(id), scopes });
  await scene.importKeys(gateway, [
    { id: 'anyone', owner: 'acme', secret: key, scopes: ['*'] },
    { id: 'bare', owner: 'acme', secret: bare },
    scoped('ax', ['a:x']),
    scoped('a-star', ['a:*']),
    scoped('ax-cx', ['a:x', 'c:x']),
    scoped('a-only', ['a']),
    scoped('bx', ['b:x']),
    scoped('ax-deep', ['a:x:deep']),
  ] as Record<string, unknown>[]);
});
after(() => scene.close());

const secretOf = (id: string): string => `an-imported-key-of-${id}`;

const ask = (target: string, parts: RequestParts = {}): Promise<Response> =>
  send(gateway.proxyPort, { target, headers: asAnyone, ...parts });

/** The log line of an answer, by the request id that it carries. */
function lineOf(answer: Response): Promise<LogLine> {
  const requestId = answer.header('x-request-id') ?? answer.json()['requestId'];
  return gateway.logLine((line) => line['requestId'] === requestId);
}

describe('the most specific route wins', () => {
  const cases: readonly (readonly [target: string, route: string, host?: string])[] = [
    ['/shop/items/list', 'literal'],
    ['/shop/items/7', 'one'],
    ['/shop/items/price', 'one'],
    ['/shop/cars/price', 'named'],
    ['/shop/items/7/parts', 'many'],
    ['/shop/items', 'many'],
    ['/shop/items/7/parts', 'hosted', 'api.example.com'],
    ['/shop/items/7/parts', 'hosted', 'API.Example.Com'],
    ['/shop/items/7/parts', 'many', 'other.example.com'],
    ['/any', 'anything'],
    ['/any/a/b/c/d/e', 'anything'],
  ];
  for (const [target, route, host] of cases) {
    test(`${host ?? ''}${target} is ${route}`, async () => {
      const answer = await ask(target, host === undefined ? {} : { host });
      assert.equal(answer.status, 200, answer.text());
      assert.equal((await lineOf(answer))['route'], route);
    });
  }

  test('no route: 404; deny is the default', async () => {
    for (const target of ['/', '/shop', '/shop/cars', '/anything', '/Any', '/read-only/x']) {
      assertProblem(await ask(target), 404, 'route_not_found');
    }
  });
});

describe('methods', () => {
  test('405 with Allow, where the path is known and the method not', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await ask('/read-only', { method });
      assertProblem(answer, 405, 'method_not_allowed');
      assert.equal(answer.header('allow'), 'GET, HEAD');
    }
  });

  test('default: GET HEAD POST PUT PATCH DELETE OPTIONS; TRACE, CONNECT and unknown ones never', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      assert.equal((await ask('/any/x', { method })).status, 200, method);
    }
    const before = app.seen.length;
    for (const method of ['TRACE', 'PROPFIND', 'PURGE', 'LINK']) {
      const answer = await ask('/any/x', { method });
      assertProblem(answer, 405, 'method_not_allowed');
      assert.equal(answer.header('allow'), 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
    }
    for (const method of ['CONNECT', 'FOO', 'get']) {
      const { status } = await ask('/any/x', { method });
      assert.ok(status >= 400 && status < 500, `${method}: ${status}`);
    }
    assert.equal(app.seen.length, before);
  });

  test('a method override header overrides nothing', async () => {
    const answer = await ask('/any/x', { method: 'GET', headers: { ...asAnyone, 'X-HTTP-Method-Override': 'DELETE' } });
    assert.equal(answer.status, 200);
    assert.equal(app.last().method, 'GET');
  });
});

describe('access and preflight', () => {
  test('access public: no key needed', async () => {
    const answer = await ask('/open/x', { headers: {} });
    assert.equal(answer.status, 200);
    const line = await lineOf(answer);
    assert.equal(line['outcome'], 'allowed');
    assert.equal(line['reason'], 'public');
  });

  const preflight = { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'PUT' };

  test('preflight: OPTIONS with Origin and Access-Control-Request-Method is forwarded without a key', async () => {
    const answer = await ask('/cors/x', { method: 'OPTIONS', headers: preflight });
    assert.equal(answer.status, 200, answer.text());
    assert.equal((await lineOf(answer))['reason'], 'preflight');
    assert.equal(app.last().header('origin'), preflight.Origin);
  });

  test('preflight: nothing else is let through without a key', async () => {
    const { Origin, ...noOrigin } = preflight;
    const others: readonly RequestParts[] = [
      { method: 'OPTIONS', headers: {} },
      { method: 'OPTIONS', headers: { Origin } },
      { method: 'OPTIONS', headers: noOrigin },
      { method: 'GET', headers: preflight },
      { method: 'PUT', headers: preflight },
    ];
    for (const parts of others) assertProblem(await ask('/cors/x', parts), 401, 'key_missing');
    assertProblem(await ask('/any/x', { method: 'OPTIONS', headers: preflight }), 401, 'key_missing');
  });
});

describe('scopes', () => {
  const cases: readonly (readonly [target: string, id: string, status: number])[] = [
    ['/all-of', 'ax', 403],
    ['/all-of', 'a-star', 200],
    ['/all-of', 'anyone', 200],
    ['/any-of', 'ax', 200],
    ['/any-of', 'bx', 200],
    ['/any-of', 'a-only', 403],
    ['/any-of', 'ax-deep', 403],
    ['/nested', 'ax', 403],
    ['/nested', 'ax-cx', 200],
    ['/nested', 'bx', 403],
    ['/nested', 'bare', 403],
  ];
  for (const [target, id, status] of cases) {
    test(`${id} at ${target}: ${status}`, async () => {
      const secret = id === 'anyone' ? key : id === 'bare' ? bare : secretOf(id);
      const answer = await ask(target, { headers: { 'X-Api-Key': secret } });
      assert.equal(answer.status, status, answer.text());
    });
  }

  test('missing names the scopes that the key lacks', async () => {
    const answer = await ask('/all-of', { headers: { 'X-Api-Key': secretOf('ax') } });
    assertProblem(answer, 403, 'scope_missing', { missing: ['a:y'] });
    assert.deepEqual((await lineOf(answer))['missing'], ['a:y']);
  });
});

describe('mode observe: decide, log and count, but let through', () => {
  const observed = async (reason: string): Promise<number> =>
    (await gateway.metrics()).sum('portcullis_decisions_total', { outcome: 'observed', reason });

  test('a missing scope', async () => {
    const before = await observed('scope_missing');
    const answer = await ask('/watched/x', { headers: { 'X-Api-Key': bare } });
    assert.equal(answer.status, 200, answer.text());
    const line = await lineOf(answer);
    assert.equal(line['outcome'], 'observed');
    assert.equal(line['reason'], 'scope_missing');
    assert.deepEqual(line['missing'], ['things:read']);
    await eventually(async () => assert.equal(await observed('scope_missing'), before + 1));
  });

  test('a used up limit', async () => {
    const before = await observed('rate_limited');
    for (let at = 0; at < 4; at++) assert.equal((await ask('/watched/x')).status, 200);
    await eventually(async () => assert.equal(await observed('rate_limited'), before + 2));
  });

  test('an address that is not allowed', async () => {
    const answer = await ask('/watched-fence');
    assert.equal(answer.status, 200);
    const line = await lineOf(answer);
    assert.equal(line['outcome'], 'observed');
    assert.equal(line['reason'], 'network_denied');
  });

  test('authentication is still required', async () => {
    assertProblem(await ask('/watched/x', { headers: {} }), 401, 'key_missing');
    assertProblem(await ask('/watched/x', { headers: { 'X-Api-Key': `${key}-not` } }), 401, 'key_invalid');
  });
});

describe('maxBody', () => {
  const body = (size: number): string => 'x'.repeat(size);
  const chunked = (size: number): RequestParts => ({
    method: 'POST',
    headers: { ...asAnyone, 'Transfer-Encoding': 'chunked' },
    body: `${size.toString(16)}\r\n${body(size)}\r\n0\r\n\r\n`,
  });

  test('a body of exactly that size passes, declared or chunked', async () => {
    for (const parts of [{ method: 'POST', body: body(1024) }, chunked(1024)]) {
      assert.equal((await ask('/small', parts)).status, 200);
      assert.equal(app.last().body.length, 1024);
    }
  });

  test('413 body_too_large: a larger declared one never reaches the upstream', async () => {
    const before = app.seen.length;
    assertProblem(await ask('/small', { method: 'POST', body: body(1025) }), 413, 'body_too_large');
    assert.equal(app.seen.length, before);
  });

  test('413 body_too_large: a larger chunked one is cut', async () => {
    assertProblem(await ask('/small', chunked(5000)), 413, 'body_too_large');
    // An endless one: the answer comes while it still flows.
    const upload = request({
      host: '127.0.0.1',
      port: gateway.proxyPort,
      method: 'POST',
      path: '/small',
      headers: asAnyone,
    });
    let isOver = false;
    const answered = new Promise<number | undefined>((resolve, reject) => {
      upload.on('response', (answer) => resolve(answer.resume().statusCode));
      upload.on('error', reject);
      upload.on('close', () => (isOver = true));
    });
    const sendOn = (): void => {
      if (!isOver) upload.write(body(256), () => setImmediate(sendOn));
    };
    sendOn();
    try {
      assert.equal(await inTime(answered, 'the answer'), 413);
    } finally {
      isOver = true;
      upload.destroy();
    }
    // Whatever the upstream saw of such bodies, it was no complete request of more than the bound.
    for (const seen of app.seen) assert.ok(seen.target !== '/small' || seen.body.length <= 1024);
  });
});

describe('Expect', () => {
  const expecting = { ...asAnyone, Expect: '100-continue', 'Content-Length': '5' };

  test('100-continue: the body is asked for after the decision, and arrives', async () => {
    const connection = await Connection.open(gateway.proxyPort);
    try {
      connection.write(requestBytes({ method: 'POST', target: '/any/x', headers: expecting }));
      assert.equal((await connection.anyResponse()).status, 100);
      connection.write('hello');
      assert.equal((await connection.response()).status, 200);
      assert.equal(app.last().body.toString(), 'hello');
    } finally {
      connection.destroy();
    }
  });

  test('100-continue: a denied request is answered without asking for the body', async () => {
    const cases: readonly (readonly [RequestParts, number])[] = [
      [{ target: '/any/x', headers: { ...expecting, 'X-Api-Key': `${key}-not` } }, 401],
      [{ target: '/no/route', headers: expecting }, 404],
      [{ target: '/small', headers: { ...expecting, 'Content-Length': '5000' } }, 413],
      [{ target: '/all-of', headers: { ...expecting, 'X-Api-Key': bare } }, 403],
    ];
    for (const [parts, status] of cases) {
      const connection = await Connection.open(gateway.proxyPort);
      try {
        connection.write(requestBytes({ method: 'POST', ...parts }));
        assert.equal((await connection.anyResponse()).status, status);
      } finally {
        connection.destroy();
      }
    }
  });

  test('417 expectation_failed: anything else; the upstream sees nothing', async () => {
    const before = app.seen.length;
    for (const expectation of ['wonders', '100-continue, wonders', '200-ok']) {
      const answer = await ask('/any/x', { method: 'POST', headers: { ...asAnyone, Expect: expectation }, body: 'x' });
      assertProblem(answer, 417, 'expectation_failed');
    }
    assert.equal(app.seen.length, before);
  });
});

describe('upgrade: refused where it is not listed', () => {
  test('426 upgrade_refused for a WebSocket, h2c and anything else', async () => {
    const before = app.seen.length;
    for (const upgrade of ['websocket', 'h2c', 'TLS/1.0', 'websocket, h2c']) {
      const answer = await ask('/any/x', { headers: { ...asAnyone, ...HANDSHAKE, Upgrade: upgrade } });
      assertProblem(answer, 426, 'upgrade_refused');
    }
    for (const upgrade of ['h2c', 'TLS/1.0']) {
      const answer = await ask('/sockets', { headers: { ...asAnyone, ...HANDSHAKE, Upgrade: upgrade } });
      assertProblem(answer, 426, 'upgrade_refused');
    }
    assert.equal(app.seen.length, before);
  });

  test('an unauthenticated handshake never reaches the upstream, nor do the bytes that follow it', async () => {
    const before = app.seen.length;
    const connection = await Connection.open(gateway.proxyPort);
    try {
      connection.write(
        Buffer.concat([requestBytes({ target: '/sockets', headers: HANDSHAKE }), Buffer.from('raw bytes')]),
      );
      assertProblem(await connection.response(), 401, 'key_missing');
    } finally {
      connection.destroy();
    }
    assert.equal(app.seen.length, before);
  });
});
