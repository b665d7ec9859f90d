import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import express from 'express';
import request from 'supertest';
import { openManagement } from '../../src/compose/management.ts';
import { type PortcullisMiddleware, portcullis } from '../../src/express.ts';
import { type ServedApp, serveApp } from '../support/served-app.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { writeFileSync } from 'node:fs';

const directory = await makeTempDir();
const file = join(directory.path, 'portcullis.yaml');
let gate: PortcullisMiddleware;
let served: ServedApp;
let secret: string;

before(async () => {
  writeFileSync(
    file,
    `version: 1
store: { url: "sqlite:${join(directory.path, 'p.db')}" }
credentials: { pepper: "file:${join(directory.path, 'pepper')}", query: api_key }
log: { level: error }
plans: { small: { limits: { few: { requests: 3, per: 1h } } } }
routes:
  echo: { path: /echo/**, scopes: [echo:read], maxBody: 1KiB }
  admin: { path: /admin/**, scopes: [admin:all] }
  limited: { path: /limited, scopes: [echo:read], limits: { few: { requests: 2, per: 1h } } }
  watched: { path: /watched, scopes: [admin:all], mode: observe }
  public: { path: /public, access: public }
  mounted: { path: /mounted/**, scopes: [echo:read] }
`,
  );
  const management = await openManagement({ file, env: {}, warn: () => undefined });
  ({ secret } = await management.keys.create({ grants: { owner: 'acme', scopes: ['echo:*'] } }));
  await management.close();
  gate = await portcullis({ config: file });
  const app = express();
  app.use('/mounted', gate, (req, res) => void res.json({ url: req.url, baseUrl: req.baseUrl }));
  app.use(gate);
  app.use(express.text({ limit: '1mb' }));
  app.use(
    (req, res) =>
      void res.json({ url: req.url, headers: req.headers, identity: req.portcullis, body: req.body as unknown }),
  );
  served = await serveApp(app);
});

after(async () => {
  served.close();
  await gate.close();
  await directory.remove();
});

const call = () => request(served.server);

test('what is let through has req.portcullis', async () => {
  const { status, body, headers } = await call().get('/echo/1?x=%41').set('X-Api-Key', secret);
  assert.equal(status, 200);
  assert.equal(body.url, '/echo/1?x=A');
  const { keyId, owner, scopes, route, outcome, reason, client } = body.identity;
  assert.deepEqual(
    { owner, scopes, route, outcome, reason, client },
    { owner: 'acme', scopes: ['echo:*'], route: 'echo', outcome: 'allowed', reason: 'key', client: '127.0.0.1' },
  );
  assert.equal(body.headers['x-credential-identifier'], keyId);
  assert.equal(headers['x-request-id'], body.identity.requestId);
});

test('the application sees neither the credential nor a header that spells an identity', async () => {
  const { body } = await call()
    .get('/echo/1')
    .set('Authorization', `Bearer ${secret}`)
    .set('X-Consumer-Id', 'root')
    .set('x_consumer_groups', 'admin')
    .set('X-Forwarded-For', '9.9.9.9')
    .set('X-Own', 'kept');
  assert.equal(body.headers.authorization, undefined);
  assert.equal(body.headers['x-consumer-id'], 'acme');
  assert.equal(body.headers['x_consumer_groups'], undefined);
  assert.equal(body.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(body.headers['x-own'], 'kept');
  const inQuery = await call().get(`/echo/1?api_key=${secret}&y=2`);
  assert.equal(inQuery.body.url, '/echo/1?y=2');
});

const DENIALS: readonly [path: string, headers: () => Record<string, string>, status: number, code: string][] = [
  ['/echo/1', () => ({}), 401, 'key_missing'],
  ['/echo/1', () => ({ 'x-api-key': 'nonsense' }), 401, 'key_invalid'],
  ['/echo/1', () => ({ 'x-api-key': secret, authorization: `Bearer ${secret}` }), 400, 'key_ambiguous'],
  ['/admin/1', () => ({ 'x-api-key': secret }), 403, 'scope_missing'],
  ['/nowhere', () => ({ 'x-api-key': secret }), 404, 'route_not_found'],
  ['/echo/a%2fb', () => ({ 'x-api-key': secret }), 400, 'ambiguous_request'],
  ['/mounted/%2e%2e/echo', () => ({ 'x-api-key': secret }), 400, 'ambiguous_request'],
];

for (const [path, headers, status, code] of DENIALS) {
  test(`a denial is answered as the gateway answers it: ${path} ${code}`, async () => {
    const answer = await call().get(path).set(headers());
    assert.equal(answer.status, status);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.equal(JSON.parse(answer.text).code, code);
  });
}

test('limits are taken and shown', async () => {
  const ask = () => call().get('/limited').set('X-Api-Key', secret);
  assert.equal((await ask()).headers['ratelimit'], '"few";r=1;t=3600');
  assert.equal((await ask()).status, 200);
  const refused = await ask();
  assert.equal(refused.status, 429);
  assert.deepEqual(JSON.parse(refused.text)['violated-policies'], ['few']);
});

test('a route in observe mode says what it would have denied', async () => {
  const { status, body } = await call().get('/watched').set('X-Api-Key', secret);
  assert.equal(status, 200);
  assert.deepEqual([body.identity.outcome, body.identity.reason], ['observed', 'scope_missing']);
});

test('a public route needs no key', async () => {
  const { body } = await call().get('/public');
  assert.deepEqual([body.identity.keyId, body.identity.reason], [null, 'public']);
});

test('under a mount path the route is matched with that path and the application sees its own part', async () => {
  const { body } = await call().get('/mounted/x?y').set('X-Api-Key', secret);
  assert.deepEqual(body, { url: '/x?y', baseUrl: '/mounted' });
});

test('a body that is too large is refused, declared or not', async () => {
  const declared = await call().post('/echo/1').set('X-Api-Key', secret).type('text/plain').send('x'.repeat(2_000));
  assert.equal(declared.status, 413);
  const small = await call().post('/echo/1').set('X-Api-Key', secret).type('text/plain').send('abc');
  assert.equal(small.body.body, 'abc');
  const { port } = served;
  const undeclared = await fetch(`http://127.0.0.1:${port}/echo/1`, {
    method: 'POST',
    headers: { 'x-api-key': secret, 'content-type': 'text/plain' },
    body: new ReadableStream({ pull: (stream) => stream.enqueue(Buffer.alloc(600)) }, { highWaterMark: 0 }),
    duplex: 'half',
  }).then(
    (answer) => answer.status,
    () => 'cut',
  );
  assert.ok(undeclared === 413 || undeclared === 'cut', String(undeclared));
});

test('decisions are counted', async () => {
  const { text } = await gate.metrics();
  assert.match(text, /portcullis_decisions_total\{route="echo",outcome="allowed",reason="key"\} [1-9]/);
});
