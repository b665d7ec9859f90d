// The last paragraphs of SPEC section 4: what the upstream gets of a request, and the client of its answer.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send, type HeaderLines, type RequestParts } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import type { SeenRequest, Upstream } from '../support/acceptance-upstream.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const key = 'an-imported-key-of-billing-0123';
const asBilling = { 'X-Api-Key': key };

let scene: Scene;
let app: Upstream;
/** Trusts nobody, and takes keys in headers only. */
let plain: GatewayProcess;
/** Trusts proxies on this host, and takes keys in the query too. */
let behindProxy: GatewayProcess;

before(async () => {
  scene = await Scene.open('sqlite');
  app = await scene.upstream((request, response, seen) => {
    request.resume().on('end', () => {
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.setHeader('X-Own', 'kept');
      response.setHeader('Connection', 'close, X-Hop');
      response.setHeader('X-Hop', 'for the gateway only');
      response.setHeader('Proxy-Authenticate', 'Basic');
      response.writeHead(seen.target.endsWith('/teapot') ? 418 : 200, 'Fine');
      response.end('body');
    });
  });
  const shared = {
    upstreams: { app: { targets: [app.url] } },
    roles: { clerk: ['invoices:read'] },
    routes: {
      files: { path: '/files/**', upstream: 'app', upgrade: ['websocket'] },
      open: { path: '/open/**', upstream: 'app', access: 'public' },
      limited: { path: '/limited', upstream: 'app', limits: { calls: { requests: 10, per: '1h', by: 'key' } } },
    },
  };
  plain = await scene.gateway(shared);
  behindProxy = await scene.gateway({
    ...shared,
    ...scene.settings({}),
    credentials: { ...(scene.settings({})['credentials'] as object), query: 'api_key' },
    trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'],
    identityHeaders: { owner: 'X-Who', key: 'X-Which-Key', roles: 'X-Which-Roles', scopes: 'X-Which-Scopes' },
  });
  await scene.importKeys(plain, [
    { id: 'billing', owner: 'acme', secret: key, roles: ['clerk'], scopes: ['invoices:write'] },
  ]);
});
after(() => scene.close());

async function forwarded(gateway: GatewayProcess, parts: RequestParts): Promise<SeenRequest> {
  const before = app.seen.length;
  const answer = await send(gateway.proxyPort, { target: '/files/1', ...parts });
  assert.equal(answer.status, 200, answer.text());
  assert.equal(app.seen.length, before + 1);
  return app.last();
}

/** The names of headers that read as `name` once case, `_` and `.` are evened out. */
function spellings(seen: SeenRequest, name: string): string[] {
  const even = (each: string): string => each.toLowerCase().replace(/[_.]/g, '-');
  return seen.headers.filter(([each]) => even(each) === even(name)).map(([each, value]) => `${each}: ${value}`);
}

describe('the upstream gets the method, canonical path and query, and the body as streamed', () => {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    test(method, async () => {
      const body = ['POST', 'PUT', 'PATCH'].includes(method) ? { body: `the body of ${method}` } : {};
      const seen = await forwarded(plain, { method, target: '/files/a?b=c&d', headers: asBilling, ...body });
      assert.equal(seen.method, method);
      assert.equal(seen.target, '/files/a?b=c&d');
      assert.equal(seen.body.toString(), body.body ?? '');
    });
  }

  test('a chunked body arrives whole', async () => {
    const headers = { ...asBilling, 'Transfer-Encoding': 'chunked' };
    const seen = await forwarded(plain, { method: 'POST', headers, body: '5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n' });
    assert.equal(seen.body.toString(), 'hello, world');
  });
});

describe('end-to-end headers without the credential', () => {
  const places: Readonly<Record<string, RequestParts>> = {
    header: { headers: asBilling },
    'header in another case': { headers: { 'x-API-key': key } },
    bearer: { headers: { Authorization: `Bearer ${key}` } },
    'bearer in another case': { headers: { authorization: `bearer ${key}` } },
  };
  for (const [place, parts] of Object.entries(places)) {
    test(`${place}: the key reaches the upstream in no header`, async () => {
      const seen = await forwarded(plain, parts);
      assert.doesNotMatch(JSON.stringify(seen.headers), new RegExp(key));
      assert.deepEqual(spellings(seen, 'x-api-key'), []);
      assert.equal(seen.header('authorization'), undefined);
    });
  }

  test('query parameter: the key is taken out, the rest of the query passes', async () => {
    const seen = await forwarded(behindProxy, { target: `/files/1?a=1&api_key=${key}&b=%20` });
    assert.equal(seen.target, '/files/1?a=1&b=%20');
    const alone = await forwarded(behindProxy, { target: `/files/1?api_key=${key}` });
    assert.equal(alone.target, '/files/1');
  });

  test('query keys are off by default: the parameter is no credential', async () => {
    const answer = await send(plain.proxyPort, { target: `/files/1?api_key=${key}` });
    assertProblem(answer, 401, 'key_missing');
  });

  test('a key sent to a public route is not forwarded either', async () => {
    const seen = await forwarded(plain, { target: '/open/1', headers: asBilling });
    assert.doesNotMatch(JSON.stringify([seen.headers, seen.target]), new RegExp(key));
  });

  test('the key is in no WebSocket handshake that the upstream gets', async () => {
    const headers = {
      ...asBilling,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      X_Consumer_Id: 'mallory',
    };
    const answer = await send(plain.proxyPort, { target: '/files/socket', headers });
    assert.equal(answer.status, 101);
    const seen = app.last();
    assert.doesNotMatch(JSON.stringify(seen.headers), new RegExp(key));
    assert.deepEqual(spellings(seen, 'X-Consumer-Id'), ['X-Consumer-Id: acme']);
    assert.equal(seen.header('x-forwarded-for'), '127.0.0.1');
  });

  const twoCredentials: readonly (readonly [name: string, parts: RequestParts])[] = [
    [
      'the header twice',
      {
        headers: [
          ['X-Api-Key', key],
          ['X-Api-Key', key],
        ],
      },
    ],
    ['header and bearer', { headers: { ...asBilling, Authorization: `Bearer ${key}` } }],
    [
      'bearer twice',
      {
        headers: [
          ['Authorization', `Bearer ${key}`],
          ['Authorization', `Bearer ${key}`],
        ],
      },
    ],
    ['header and query', { target: `/files/1?api_key=${key}`, headers: asBilling }],
    ['query twice', { target: `/files/1?api_key=${key}&api_key=${key}` }],
  ];
  for (const [name, parts] of twoCredentials) {
    test(`exactly one credential: ${name} is key_ambiguous`, async () => {
      const before = app.seen.length;
      assertProblem(await send(behindProxy.proxyPort, { target: '/files/1', ...parts }), 400, 'key_ambiguous');
      assert.equal(app.seen.length, before);
    });
  }

  test('an Authorization header that is no bearer key is end-to-end, and passes', async () => {
    const seen = await forwarded(plain, { headers: { ...asBilling, Authorization: 'Basic dXNlcjpwYXNz' } });
    assert.equal(seen.header('authorization'), 'Basic dXNlcjpwYXNz');
  });
});

describe('without hop-by-hop headers and whatever Connection names', () => {
  test('they end at the gateway; others pass', async () => {
    const headers: HeaderLines = [
      ['X-Api-Key', key],
      ['Connection', 'keep-alive, X-Mine, x-other'],
      ['X-Mine', '1'],
      ['X-Other', '1'],
      ['Keep-Alive', 'timeout=5'],
      ['Proxy-Authorization', 'Basic eDp5'],
      ['Proxy-Connection', 'keep-alive'],
      ['TE', 'trailers'],
      ['Trailer', 'X-After'],
      ['X-Kept', 'kept'],
      ['Cookie', 'session=1'],
    ];
    const seen = await forwarded(plain, { headers });
    for (const name of [
      'x-mine',
      'x-other',
      'keep-alive',
      'proxy-authorization',
      'proxy-connection',
      'te',
      'trailer',
    ]) {
      assert.equal(seen.header(name), undefined, name);
    }
    assert.doesNotMatch(seen.header('connection') ?? '', /x-mine|x-other/i);
    assert.equal(seen.header('x-kept'), 'kept');
    assert.equal(seen.header('cookie'), 'session=1');
  });

  test('Connection cannot take away what the gateway says', async () => {
    const headers = { ...asBilling, Connection: 'X-Consumer-Id, X-Forwarded-For, X-Request-Id' };
    const seen = await forwarded(plain, { headers });
    assert.equal(seen.header('x-consumer-id'), 'acme');
    assert.equal(seen.header('x-forwarded-for'), '127.0.0.1');
    assert.ok(seen.header('x-request-id'));
  });
});

describe('without anything that spells an identity header (any case, _ or . for -)', () => {
  for (const spelling of ['X-Consumer-Id', 'x-consumer-id', 'X_Consumer_Id', 'x.consumer.id', 'X-CONSUMER_ID']) {
    test(`${spelling} from a client is replaced by the key's owner`, async () => {
      const seen = await forwarded(plain, { headers: { ...asBilling, [spelling]: 'mallory' } });
      assert.deepEqual(spellings(seen, 'X-Consumer-Id'), ['X-Consumer-Id: acme']);
    });
    test(`${spelling} from a client does not pass a public route`, async () => {
      const seen = await forwarded(plain, { target: '/open/1', headers: { [spelling]: 'mallory' } });
      assert.deepEqual(spellings(seen, 'X-Consumer-Id'), []);
    });
  }

  test('owner, key id, roles and scopes are told to the upstream', async () => {
    const seen = await forwarded(plain, { headers: asBilling });
    assert.equal(seen.header('x-consumer-id'), 'acme');
    assert.equal(seen.header('x-credential-identifier'), 'billing');
    assert.equal(seen.header('x-consumer-groups'), 'clerk');
    const scopes = (seen.header('x-authenticated-scope') ?? '').split(/[ ,]+/).toSorted();
    assert.deepEqual(scopes, ['invoices:read', 'invoices:write'], "its own scopes plus its roles'");
  });

  test('under the names that the configuration gives', async () => {
    const spoofed = { X_Who: 'mallory', 'x.which.key': 'mallory' };
    const seen = await forwarded(behindProxy, { headers: { ...asBilling, ...spoofed } });
    assert.deepEqual(spellings(seen, 'X-Who'), ['X-Who: acme']);
    assert.deepEqual(spellings(seen, 'X-Which-Key'), ['X-Which-Key: billing']);
    assert.equal(seen.header('x-which-roles'), 'clerk');
  });
});

describe('forwarding headers', () => {
  const inbound = {
    'X-Original-URL': '/admin',
    'X-Rewrite-URL': '/admin',
    Forwarded: 'for=203.0.113.7;host=evil.test',
    'X-Forwarded-Host': 'evil.test',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Prefix': '/admin',
    'X-Forwarded-Port': '444',
    'X-Forwarded-For': '203.0.113.7',
  };

  test('without X-Original-URL, X-Rewrite-URL and inbound X-Forwarded-*/Forwarded', async () => {
    const seen = await forwarded(plain, { host: 'api.example.com', headers: { ...asBilling, ...inbound } });
    for (const name of ['x-original-url', 'x-rewrite-url', 'forwarded', 'x-forwarded-prefix', 'x-forwarded-port']) {
      assert.equal(seen.header(name), undefined, name);
    }
    assert.equal(seen.header('x-forwarded-for'), '127.0.0.1', 'an empty trust list trusts nobody');
    assert.equal(seen.header('x-forwarded-proto'), 'http');
    assert.equal(seen.header('x-forwarded-host'), 'api.example.com');
  });

  const chains: readonly (readonly [inbound: string, outbound: string, client: string])[] = [
    ['203.0.113.7', '203.0.113.7, 127.0.0.1', '203.0.113.7'],
    ['1.2.3.4, 203.0.113.7', '203.0.113.7, 127.0.0.1', '203.0.113.7'],
    ['203.0.113.7, 10.1.2.3', '203.0.113.7, 10.1.2.3, 127.0.0.1', '203.0.113.7'],
    ['2001:db8::7', '2001:db8::7, 127.0.0.1', '2001:db8::7'],
  ];
  for (const [before, after, client] of chains) {
    test(`behind trusted proxies X-Forwarded-For is the chain as trusted, plus the peer: ${before}`, async () => {
      const headers = { ...asBilling, 'X-Forwarded-For': before };
      const answer = await send(behindProxy.proxyPort, { target: '/files/1', headers });
      assert.equal(answer.status, 200);
      assert.equal(app.last().header('x-forwarded-for'), after);
      const line = await behindProxy.logLine((each) => each['requestId'] === answer.header('x-request-id'));
      assert.equal(line['client'], client, 'the rightmost address that is not trusted');
      assert.equal(line['peer'], '127.0.0.1');
    });
  }

  test('traceparent and tracestate pass, and the log has the trace id', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { ...asBilling, traceparent: `00-${trace}-00f067aa0ba902b7-01`, tracestate: 'vendor=opaque' };
    const seen = await forwarded(plain, { headers });
    assert.equal(seen.header('traceparent'), headers.traceparent);
    assert.equal(seen.header('tracestate'), headers.tracestate);
    const line = await plain.logLine((each) => each['requestId'] === seen.header('x-request-id'));
    assert.equal(line['traceId'], trace);
  });
});

describe('responses stream through unchanged but for hop-by-hop headers', () => {
  test('status, headers and body pass; hop-by-hop headers and what Connection names do not', async () => {
    const answer = await send(plain.proxyPort, { target: '/files/teapot', headers: asBilling });
    assert.equal(answer.status, 418);
    assert.equal(answer.text(), 'body');
    const cookies = answer.headers.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value);
    assert.deepEqual(cookies, ['a=1', 'b=2']);
    assert.equal(answer.header('x-own'), 'kept');
    assert.equal(answer.header('x-hop'), undefined);
    assert.equal(answer.header('proxy-authenticate'), undefined);
  });

  test('X-Request-Id is added, the one that upstream and log have', async () => {
    const answer = await send(plain.proxyPort, { target: '/files/1', headers: asBilling });
    const requestId = answer.header('x-request-id');
    assert.ok(requestId);
    assert.equal(app.last().header('x-request-id'), requestId);
    await plain.logLine((line) => line['requestId'] === requestId);
  });

  test('where limits applied, the RateLimit fields are added; elsewhere not', async () => {
    const limited = await send(plain.proxyPort, { target: '/limited', headers: asBilling });
    assert.equal(limited.header('ratelimit-policy'), '"calls";q=10;w=3600');
    assert.match(limited.header('ratelimit') ?? '', /^"calls";r=9;t=[1-9][0-9]*$/);
    const free = await send(plain.proxyPort, { target: '/files/1', headers: asBilling });
    assert.equal(free.header('ratelimit'), undefined);
    assert.equal(free.header('ratelimit-policy'), undefined);
  });
});
