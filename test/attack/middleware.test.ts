// The middleware form under attack: what Express's routers and the application make of a request is what was decided
// about, whatever was sent, and every request is recorded and gives back what it held.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import express, { type Request, type Response } from 'express';
import { openManagement } from '../../src/compose/management.ts';
import { type PortcullisMiddleware, portcullis } from '../../src/express.ts';
import { readScrape } from '../support/acceptance-metrics.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';
import { type ServedApp, serveApp } from '../support/served-app.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const directory = await makeTempDir();
const file = join(directory.path, 'portcullis.yaml');
let gate: PortcullisMiddleware;
let served: ServedApp;
let secret: string;
let id: string;

/** What a handler was given. */
interface Given {
  readonly handler: string;
  readonly url: string;
  readonly originalUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly distinct: Readonly<Record<string, readonly string[]>>;
  readonly raw: readonly string[];
  readonly query: unknown;
  readonly trailers: readonly unknown[];
}

before(async () => {
  writeFileSync(
    file,
    `version: 1
store: { url: "sqlite:${join(directory.path, 'p.db')}" }
credentials: { pepper: "file:${join(directory.path, 'pepper')}", query: api_key }
guard: { failures: 100000, per: 1m, block: 1s }
log: { level: error }
plans: { single: { concurrency: 1 } }
routes:
  api: { path: /api/**, scopes: [api:read] }
  admin: { path: /api/admin/**, scopes: [admin:all] }
  mounted: { path: /mounted/api/**, scopes: [api:read] }
  small: { path: /api/small, scopes: [api:read], maxBody: 1KiB }
  watched: { path: /watched, scopes: [admin:all], mode: observe, maxBody: 1KiB }
  late: { path: /late, scopes: [api:read] }
  public: { path: /public/**, access: public }
  me: { path: /users/@me/**, access: public }
  users: { path: /users/*/**, scopes: [admin:all] }
  cors: { path: /cors/**, scopes: [api:read], preflight: true }
  closed: { path: /cors/admin, scopes: [admin:all] }
`,
  );
  const management = await openManagement({ file, env: {}, warn: () => undefined });
  const created = await management.keys.create({ grants: { owner: 'acme', scopes: ['api:read'], plan: 'single' } });
  ({ secret } = created);
  ({ id } = created.record);
  await management.close();
  gate = await portcullis({ config: file });
  const routed = express.Router().get('/admin', give('admin')).use(give('api'));
  const app = express();
  // In front of the middleware, as a timeout is: it has answered before the store has.
  app.use('/late', (_request, response, next) => {
    next();
    response.status(503).end('too late');
  });
  app.use('/mounted', express.Router().use('/api', gate, routed).get('/api/admin', give('admin')));
  // As some middlewares do, and Express did itself before version 5.
  app.use((request, _response, next) => {
    Object.defineProperty(request, 'query', { value: { ...request.query }, writable: true });
    next();
  });
  // As what compresses does: it knows of the fields that were set one by one.
  app.use('/api/wrapped', (_request, response, next) => {
    const writeHead = response.writeHead.bind(response) as (status: number) => Response;
    response.writeHead = (status: number) => writeHead(status);
    next();
  });
  app.use(gate);
  app.use('/cors/admin', give('admin'));
  app.use('/users', express.Router().get('/@me/x', give('me')).get('/:id/x', give('anybody')));
  app.use(
    '/public/read',
    (request, response) => void request.on('end', () => give('read')(request, response)).resume(),
  );
  app.use(['/api/small', '/watched'], (request, response) => void request.on('end', () => response.json({})).resume());
  app.use('/api', routed);
  app.use(give('other'));
  served = await serveApp(app);
});

after(async () => {
  served.close();
  await gate.close();
  await directory.remove();
});

function give(handler: string) {
  return (request: Request, response: Response): void => {
    const { url, originalUrl, headers, headersDistinct, rawHeaders, query } = request;
    const trailers = [request.trailers, request.trailersDistinct, request.rawTrailers];
    response.json({ handler, url, originalUrl, headers, distinct: headersDistinct, raw: rawHeaders, query, trailers });
  };
}

async function send(target: string, fields = `X-Api-Key: ${secret}\r\n`): Promise<{ status: number; body: string }> {
  const { port } = served;
  const bytes = `GET ${target} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n${fields}\r\n`;
  const text = await RawClient.exchange(port, bytes);
  return { status: Number(text.slice(9, 12)), body: text.slice(text.indexOf('\r\n\r\n') + 4) };
}

async function given(target: string, fields?: string): Promise<Given> {
  const { status, body } = await send(target, fields);
  assert.equal(status, 200, body);
  return JSON.parse(body) as Given;
}

test('no router behind it goes on with another part of an absolute-form target than was decided about', async () => {
  assert.equal((await send('/api/admin')).status, 403);
  for (const mount of ['', '/mounted'])
    for (let length = 0; length < 40; length++)
      for (const scheme of ['http', 'HTTPS']) {
        const { status, body } = await send(`${scheme}://app.test${mount}/api/${'x'.repeat(length)}/admin`);
        assert.equal(status, 400, `${length}: ${body}`);
        assert.match(body, /"code":"ambiguous_request"/);
      }
});

test('a query right behind the mount path stays a query', async () => {
  for (const query of ['?x=1', '?/admin', '?dmin/x', '?']) {
    const { handler, url, originalUrl } = await given(`/api${query}`);
    assert.deepEqual([handler, url, originalUrl], ['api', `/${query}`, `/api${query}`]);
  }
});

test('what the application reads of who is calling is what was decided, however often a client says its own beside it', async (t) => {
  const numbers = seededNumbers();
  t.diagnostic(numbers.seed);
  const own: Readonly<Record<string, string>> = {
    'x-consumer-id': 'acme',
    'x-credential-identifier': id,
    'x-authenticated-scope': 'api:read',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'app.test',
    'x-forwarded-proto': 'http',
  };
  const names = [...Object.keys(own), 'x-consumer-groups', 'forwarded', 'x-real-ip'];
  for (let round = 0; round < 200; round++) {
    const lines = Array.from({ length: numbers.below(8) }, () => {
      const name = names[numbers.below(names.length)]!;
      return `${name}: ${numbers.below(2) === 0 ? (own[name] ?? 'root') : 'root'}\r\n`;
    });
    const { headers, distinct, raw } = await given('/api/x', `X-Api-Key: ${secret}\r\n${lines.join('')}`);
    for (const name of names) {
      assert.equal(headers[name], own[name], lines.join(''));
      assert.deepEqual(distinct[name], own[name] === undefined ? undefined : [own[name]]);
      assert.equal(raw.filter((each) => each.toLowerCase() === name).length, own[name] === undefined ? 0 : 1);
    }
    assert.ok(!JSON.stringify([headers, distinct, raw]).includes(secret), 'the credential');
  }
});

test('a key beside another Authorization on a public route is not passed on', async () => {
  for (const fields of [
    `Authorization: Bearer ${secret}\r\nAuthorization: Basic YTpi\r\n`,
    `Authorization: Basic YTpi\r\nAuthorization: Bearer ${secret}\r\n`,
  ]) {
    const { headers, distinct, raw } = await given('/public/x', fields);
    assert.equal(headers['authorization'], 'Basic YTpi');
    assert.deepEqual(distinct['authorization'], ['Basic YTpi']);
    assert.ok(!raw.join().includes(secret));
  }
});

for (const [what, path] of [
  ['that enforces', '/api/small'],
  ['that observes', '/watched'],
])
  test(`a route ${what} has its maxBody, declared or not, with the head or behind it`, async () => {
    const { port } = served;
    const head = `POST ${path} HTTP/1.1\r\nHost: app.test\r\nX-Api-Key: ${secret}\r\nConnection: close\r\n`;
    const body = 'x'.repeat(1025);
    const declared = await RawClient.exchange(port, `${head}Content-Length: 1025\r\n\r\n${body}`);
    assert.match(declared, /^HTTP\/1\.1 413 /);
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n401\r\n${body}\r\n0\r\n\r\n`;
    for (const cut of [0, head.length + 40, chunked.length - 10]) {
      const client = await RawClient.open(port, chunked.slice(0, cut));
      if (cut > 0) await turn();
      client.write(chunked.slice(cut));
      assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 413 /, String(cut));
      client.destroy();
    }
  });

test('a request that was answered in front of it meanwhile is recorded, and gives its seat back', async () => {
  const management = await openManagement({ file, env: {}, warn: () => undefined });
  const { secret: fresh } = await management.keys.create({ grants: { scopes: ['api:read'], plan: 'single' } });
  await management.close();
  const fields = `X-Api-Key: ${fresh}\r\n`;
  assert.deepEqual(await send('/late', fields), { status: 503, body: 'too late' });
  await eventually(async () => assert.equal((await send('/api/x', fields)).status, 200));
  await eventually(async () => {
    const scrape = readScrape((await gate.metrics()).text);
    assert.equal(scrape.sum('portcullis_in_flight_requests'), 0);
    assert.equal(scrape.sum('portcullis_requests_total', { route: 'late' }), 1);
  });
});

test('no capital letter leads past a route to a handler that Express finds all the same', async (t) => {
  const numbers = seededNumbers();
  t.diagnostic(numbers.seed);
  const changed = (text: string): string =>
    text.replace(/[a-z]/g, (letter) => (numbers.below(4) === 0 ? letter.toUpperCase() : letter));
  for (let round = 0; round < 300; round++) {
    const target = `${changed('/api/admin')}${['', '/', '?x', '/?x'][numbers.below(4)]}`;
    const { status, body } = await send(numbers.below(3) === 0 ? target.replace('m', '%6D') : target);
    assert.ok([400, 403, 404].includes(status), `${target}: ${status} ${body}`);
  }
  assert.equal((await given('/api/OTHER')).handler, 'api');
  const { port } = served;
  const fields =
    'Host: app.test\r\nOrigin: http://a.test\r\nAccess-Control-Request-Method: GET\r\nConnection: close\r\n\r\n';
  for (const [path, status] of [
    ['/cors/x', 404],
    ['/cors/admin', 401],
    ['/cors/ADMIN', 400],
  ] as const)
    assert.match(
      await RawClient.exchange(port, `OPTIONS ${path} HTTP/1.1\r\n${fields}`),
      status === 404 ? /^HTTP\/1\.1 200 .*"other"/s : new RegExp(`^HTTP/1\\.1 ${status} `),
    );
});

test('no percent-encoding leads past a route to a handler whose literal Express does not find in it', async () => {
  const none = '';
  assert.equal((await given('/users/@me/x', none)).handler, 'me');
  assert.equal((await given('/users/@m%65/x', none)).handler, 'me');
  for (const target of ['/users/%40me', '/users/%40me/x', '/users/%40ME/', '/users/%40m%65/a%20b'])
    assert.equal((await send(target, none)).status, target.includes('ME') ? 401 : 400, target);
  for (const target of ['/users/a%40me', '/users/%40', '/users/x/%40me'])
    assert.equal((await send(target, none)).status, 401, target);
  for (const target of ['/api/a%40b%2Bc', '/api/%C3%A9/%25', '/api/%24/'])
    assert.equal((await given(target)).originalUrl, target);
});

test('routes that differ in the case of letters alone are refused', async () => {
  const config = {
    version: 1,
    store: { url: `sqlite:${join(directory.path, 'p.db')}` },
    credentials: { pepper: `file:${join(directory.path, 'pepper')}` },
    log: { level: 'error' },
    routes: { one: { path: '/Admin/{Id}', access: 'public' }, two: { path: '/admin/*', access: 'public' } },
  };
  await assert.rejects(portcullis({ config }), /The routes one and two differ in the case of letters alone/);
});

test('an application that hands Connection on has no field of ours taken away, and no upgrade asked for', async () => {
  for (const [sent, kept] of [
    ['close, X-Consumer-Id', 'close'],
    ['X-Consumer-Id, CLOSE, upgrade', 'close'],
  ]) {
    const { port } = served;
    const bytes = `GET /api/x HTTP/1.0\r\nHost: app.test\r\nX-Api-Key: ${secret}\r\nConnection: ${sent}\r\nUpgrade: websocket\r\n\r\n`;
    const text = await RawClient.exchange(port, bytes);
    const { headers, distinct, raw } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as Given;
    assert.deepEqual([headers['connection'], distinct['connection'], headers['upgrade']], [kept, [kept], undefined]);
    assert.ok(!raw.includes('websocket') && !raw.includes(sent!));
  }
});

test('an identity or a credential in a trailer, or in a query that was parsed before, is gone', async () => {
  const { port } = served;
  const text = await RawClient.exchange(
    port,
    'POST /public/read HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n' +
      `0\r\nX-Consumer-Id: root\r\nX-Api-Key: ${secret}\r\n\r\n`,
  );
  const { trailers } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as Given;
  assert.deepEqual(trailers, [{}, {}, []]);
  const asked = await given(`/api/x?api_key=${secret}&y=2`, '');
  assert.deepEqual(asked.query, { y: '2' });
  assert.ok(!JSON.stringify(asked).includes(secret));
});

test('a denial is whole behind what wraps the head of an answer', async () => {
  const { port } = served;
  const answer = await fetch(`http://127.0.0.1:${port}/api/wrapped`);
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer /);
});
