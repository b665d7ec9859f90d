// What one connection may do to the gateway and to the requests in front of it.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { eventually } from '../support/acceptance-wait.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { RawClient } from '../support/raw-client.ts';

const KEY = 'a-key-for-connections-0123456789';
type Gateway = Awaited<ReturnType<Scene['gateway']>>;
let scene: Scene;
let gateway: Gateway;
let app: Awaited<ReturnType<Scene['upstream']>>;

before(async () => {
  scene = await Scene.open('redis');
  app = await scene.upstream();
  gateway = await scene.gateway({
    store: { url: scene.store.url },
    upstreams: { app: { targets: [app.url] } },
    routes: {
      any: { path: '/**', upstream: 'app', scopes: ['x'] },
      cors: { path: '/cors', upstream: 'app', methods: ['GET'], preflight: true },
      socket: { path: '/socket', upstream: 'app', scopes: ['x'], upgrade: ['websocket'] },
      hosted: { path: '/hosted', hosts: ['x.example.com'], methods: ['GET'], upstream: 'app', scopes: ['x'] },
    },
  });
  await scene.importKeys(gateway, [{ id: 'anyone', owner: 'acme', secret: KEY, scopes: ['x'] }]);
  await eventually(async () =>
    assert.match(await exchange(`GET /x HTTP/1.1\r\n${FIELDS}Connection: close\r\n\r\n`), /^HTTP\/1.1 200/),
  );
});
after(() => scene.close());

const FIELDS = `Host: a\r\nX-Api-Key: ${KEY}\r\n`;

/** Sends bytes and gives all that comes until the connection ends. */
function exchange(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(gateway.proxyPort, '127.0.0.1', () => socket.write(bytes));
    socket.setTimeout(10_000, () => reject(new Error(`no end after ${JSON.stringify(text)}`)));
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

/** Waits until the log has a line for every request that was counted. */
function allAreLogged(): Promise<void> {
  return eventually(async () => {
    const counted = (await gateway.metrics()).sum('portcullis_requests_total');
    assert.equal(gateway.log.filter(({ msg }) => msg === 'request').length, counted);
  });
}

/** The log's request lines for a path, or for none, that a piece of work adds, once there are as many as expected. */
async function linesOf(
  path: string,
  expected: number,
  work: () => Promise<unknown>,
): Promise<Record<string, unknown>[]> {
  // Lines of earlier tests may still come, and what is no request has no path to tell it by.
  await allAreLogged();
  const from = gateway.log.length;
  const isOurs = (line: Record<string, unknown>) => line['msg'] === 'request' && (line['path'] ?? path) === path;
  const lines = () => gateway.log.slice(from).filter(isOurs);
  await work();
  await eventually(() => Promise.resolve(assert.equal(lines().length, expected)));
  return lines();
}

test('bytes behind a request do not overtake its answer: 200, then 400, each recorded once', async () => {
  const lines = await linesOf('/behind', 2, async () => {
    const text = await exchange(`POST /behind HTTP/1.1\r\n${FIELDS}Content-Length: 3\r\n\r\nabcdef\r\n\r\n`);
    assert.match(text, /^HTTP\/1.1 200 [^]*HTTP\/1.1 400 /);
    assert.match(text, /"code":"ambiguous_request"/);
  });
  assert.deepEqual(new Set(lines.map((line) => line['status'])), new Set([200, 400]));
});

test('a body that cannot be read is 400, recorded once', async () => {
  const [line] = await linesOf('/unreadable', 1, async () => {
    const text = await exchange(
      `POST /unreadable HTTP/1.1\r\n${FIELDS}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`,
    );
    assert.match(text, /^HTTP\/1.1 400 [^]*"code":"ambiguous_request"/);
  });
  assert.deepEqual([line?.['status'], line?.['outcome'], line?.['reason']], [400, 'denied', 'ambiguous_request']);
});

test('an upgrade behind an unanswered request is refused after its answer, and recorded', async () => {
  const lines = await linesOf('/earlier', 2, async () => {
    const upgrade = `GET /socket HTTP/1.1\r\n${FIELDS}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    assert.match(
      await exchange(`GET /earlier HTTP/1.1\r\n${FIELDS}\r\n${upgrade}`),
      /^HTTP\/1.1 200 [^]*HTTP\/1.1 400 /,
    );
  });
  assert.deepEqual(new Set(lines.map((line) => line['status'])), new Set([200, 400]));
});

test('a preflight that would be none for the upstream passes nobody', async () => {
  const before = app.seen.length;
  const fields = 'Host: a\r\nOrigin: http://x\r\nAccess-Control-Request-Method: GET\r\n';
  for (const more of [
    'Connection: close, origin\r\n\r\n',
    'Connection: close\r\nOrigin: http://y\r\n\r\n',
    'Connection: close\r\nContent-Length: 3\r\n\r\nabc',
  ]) {
    assert.match(await exchange(`OPTIONS /cors HTTP/1.1\r\n${fields}${more}`), /^HTTP\/1.1 405 /);
  }
  assert.equal(app.seen.length, before);
  assert.match(await exchange(`OPTIONS /cors HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`), /^HTTP\/1.1 200 /);
});

test('an unknown method is 405 with Allow, also on a route with hosts', async () => {
  const text = await exchange('FOO /hosted HTTP/1.1\r\nHost: x.example.com\r\n\r\n');
  assert.match(text, /^HTTP\/1.1 405 [^]*\r\nAllow: GET\r\n/);
});

test('clients that reset their upgrade while the store is asked end their own connection only', async () => {
  const bytes = `GET /socket HTTP/1.1\r\nHost: a\r\nX-Api-Key: no-such-key-0123456789\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const reset = () =>
    new Promise<void>((resolve) => {
      const socket = connect(gateway.proxyPort, '127.0.0.1', () => {
        socket.write(bytes, () => socket.resetAndDestroy());
      });
      socket.on('error', () => undefined).on('close', () => resolve());
    });
  for (let round = 0; round < 100; round++) await reset();
  assert.match(
    await exchange(`GET /nowhere-else HTTP/1.1\r\n${FIELDS}Connection: close\r\n\r\n`),
    /^HTTP\/1.1 (?:200|429)/,
  );
});

test('a client that still sends behind a body that cannot be read is not reset while it reads the answer', async () => {
  const client = await RawClient.open(
    gateway.proxyPort,
    `POST /x HTTP/1.1\r\n${FIELDS}Transfer-Encoding: chunked\r\n\r\n+5\r\n`,
  );
  try {
    assert.match(await client.rest(), /^HTTP\/1.1 400 .*ambiguous_request/s);
    for (let turns = 0; turns < 50; turns += 1) {
      client.write('x');
      await turn();
    }
    assert.equal(client.socket.errored, null);
  } finally {
    client.destroy();
  }
});

test('an upgrade with a body that breaks, or that is reset in the midst of it, ends its own connection only', async () => {
  const upgrade = (framing: string) =>
    `GET /socket HTTP/1.1\r\n${FIELDS}Connection: Upgrade\r\nUpgrade: websocket\r\n${framing}\r\n\r\n`;
  const broken = `${upgrade('Transfer-Encoding: chunked')}2;a="\r"\r\nab\r\n0\r\n\r\n`;
  // Behind an answer that is the last, alone, and cut off.
  await exchange(`GET /nowhere;x HTTP/1.1\r\nHost: a\r\n\r\n${broken}`);
  await exchange(broken);
  for (let round = 0; round < 20; round++)
    await new Promise<void>((resolve) => {
      const socket = connect(gateway.proxyPort, '127.0.0.1', () => {
        socket.write(`${upgrade('Content-Length: 9')}half`);
        socket.once('data', () => socket.resetAndDestroy());
      });
      socket.on('error', () => undefined).on('close', () => resolve());
    });
  assert.match(await exchange(`GET /x HTTP/1.1\r\n${FIELDS}Connection: close\r\n\r\n`), /^HTTP\/1.1 200 /);
});

test('nothing is processed that stands behind a last answer, also while that waits for the one before it', async () => {
  const lines = await linesOf('/ahead', 2, async () => {
    const requests = ['/ahead', '/refused;x', '/smuggled'].map((path) => `GET ${path} HTTP/1.1\r\n${FIELDS}\r\n`);
    assert.match(await exchange(requests.join('')), /^HTTP\/1.1 200 [^]*HTTP\/1.1 400 [^]*Connection: close/);
  });
  assert.deepEqual(new Set(lines.map((line) => line['status'])), new Set([200, 400]));
  const closing = `GET /closing HTTP/1.1\r\n${FIELDS}Connection: close\r\n\r\nGET /smuggled HTTP/1.1\r\n${FIELDS}\r\n`;
  assert.equal((await exchange(closing)).match(/HTTP\/1.1 200 /g)?.length, 1);
  assert.ok(!app.seen.some(({ target }) => target === '/smuggled'));
  assert.ok(!gateway.log.some((line) => line['path'] === '/smuggled'));
});

test('a request line without a version, or of another than HTTP/1, is 400 and reaches nobody', async () => {
  const before = app.seen.length;
  for (const line of ['GET /old\n', 'GET /old HTTP/0.9\r\n', 'GET /new HTTP/2.0\r\n'])
    assert.match(await exchange(`${line}${FIELDS}\r\n`), /^HTTP\/1.1 400 [^]*"code":"ambiguous_request"/);
  assert.equal(app.seen.length, before);
});

test('what stands behind a last answer leaves no line either, also where the client resets at once', async () => {
  await allAreLogged();
  const from = gateway.log.length;
  const refused = `GET /last HTTP/2.0\r\n${FIELDS}\r\nCONNECT nowhere\r\n\r\n`;
  for (let round = 0; round < 40; round++) {
    const client = await RawClient.open(gateway.proxyPort, refused);
    if (round % 2 === 0) await turn();
    else await client.until('HTTP/1.1 400');
    client.socket.resetAndDestroy();
  }
  await allAreLogged();
  const lines = gateway.log.slice(from).filter(({ msg }) => msg === 'request');
  assert.ok(lines.length >= 20, `${lines.length} lines`);
  assert.deepEqual([...new Set(lines.map((line) => line['detail']))], ['version']);
});

test('a HEAD with a target that is none gets an answer without a body', async () => {
  assert.match(await exchange('HEAD nowhere HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1.1 400 [^]*\r\n\r\n$/);
});

test('what only looks like a HEAD, behind a body that ended within its line, is not told of a body either', async () => {
  const text = await exchange(`POST /cors HTTP/1.1\r\n${FIELDS}Content-Length: 3\r\n\r\nHEAD 7 HTTP/1.1\r\n\r\n`);
  const last = text.slice(text.lastIndexOf('HTTP/1.1 400'));
  assert.match(last, /^HTTP\/1.1 400 (?![^]*Content-Length)[^]*\r\n\r\n$/);
});
