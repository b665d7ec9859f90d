import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { Upstreams } from '../../src/forward/targets.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { upstreamConfig } from '../support/forwarding-front.ts';
import { openScenes } from '../support/forwarding-scene.ts';
import { RawClient } from '../support/raw-client.ts';
import { answering, plainAnswer } from '../support/recording-upstream.ts';

const scenes = openScenes();
const closing: (() => Promise<unknown>)[] = [];
after(async () => {
  await scenes.close();
  for (const close of closing) await close();
});

interface Probed {
  readonly origin: string;
  status: number;
  probes: number;
  requests: number;
}

/** A server that says by its status whether it is well. */
async function probed(): Promise<Probed> {
  const server: Server = createServer((request, response) => {
    if (request.url === '/healthz?x=1') {
      state.probes++;
      response.writeHead(state.status).end();
    } else {
      state.requests++;
      response.end('ok');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const state: Probed = { origin: `http://127.0.0.1:${port}`, status: 200, probes: 0, requests: 0 };
  return state;
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const health = { path: '/healthz?x=1', every: 100, unhealthyAfter: 2, healthyAfter: 2 };

describe('round robin over the healthy targets', () => {
  test('every target gets its turn', async () => {
    const all = [await probed(), await probed(), await probed()];
    const { port } = await scenes.before(all.map(({ origin }) => origin));
    for (let count = 0; count < 9; count++) await RawClient.exchange(port, GET);
    assert.deepEqual(
      all.map(({ requests }) => requests),
      [3, 3, 3],
    );
  });

  test('an unhealthy target gets none until it is well again; the states say so', async () => {
    const [good, bad] = [await probed(), await probed()];
    const { port, upstreams } = await scenes.before([good.origin, bad.origin], { health });
    const upstream = upstreams.get('app');
    assert.deepEqual(
      upstream.states().map(({ isHealthy }) => isHealthy),
      [true, true],
      'healthy until probes say otherwise',
    );
    bad.status = 503;
    await eventually(() => assert.equal(upstream.isHealthy(bad.origin), false));
    assert.ok(bad.probes >= 2);
    assert.deepEqual(upstream.states(), [
      { target: good.origin, isHealthy: true },
      { target: bad.origin, isHealthy: false },
    ]);
    for (let count = 0; count < 4; count++) await RawClient.exchange(port, GET);
    assert.deepEqual([good.requests, bad.requests], [4, 0]);
    bad.status = 302;
    await eventually(() => assert.equal(upstream.isHealthy(bad.origin), true));
    for (let count = 0; count < 4; count++) await RawClient.exchange(port, GET);
    assert.deepEqual([good.requests, bad.requests], [6, 2]);
  });

  test('no_healthy_target where there is none, and no request is tried', async () => {
    const target = await probed();
    target.status = 500;
    const { port, upstreams, outcome } = await scenes.before([target.origin], { health });
    await eventually(() => assert.equal(upstreams.get('app').isHealthy(target.origin), false));
    await RawClient.exchange(port, GET);
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'failed' && forwarded.code === 'no_healthy_target');
    assert.equal(target.requests, 0);
  });

  test('a target that accepts and says nothing is unhealthy', async () => {
    const { upstreams, upstream } = await scenes.raw(() => {}, { health });
    await eventually(() => assert.equal(upstreams.get('app').isHealthy(upstream.origin), false));
  });
});

describe('a reload', () => {
  test('keeps what is unchanged, with its connections and its health', async () => {
    const target = await probed();
    const before = Upstreams.build({
      a: upstreamConfig([target.origin], { health }),
      b: upstreamConfig([target.origin]),
    });
    before.start();
    const next = Upstreams.build(
      { a: upstreamConfig([target.origin], { health }), b: upstreamConfig([target.origin], { retries: 0 }) },
      before,
    );
    next.start();
    next.closeUnused();
    assert.equal(next.get('a'), before.get('a'));
    assert.notEqual(next.get('b'), before.get('b'));
    assert.equal(next.openTunnels, before.openTunnels);
    assert.throws(() => next.get('c'), /no upstream is called "c"/);
    await next.close();
  });

  test('a target that is not well stays out where anything else of its upstream changes, until it is asked otherwise', async () => {
    const [sick, well] = [await probed(), await probed()];
    sick.status = 500;
    const before = Upstreams.build({ a: upstreamConfig([sick.origin], { health }) });
    before.start();
    await eventually(() => assert.ok(!before.get('a').isHealthy(sick.origin)));
    const config = upstreamConfig([well.origin, sick.origin], { health: { ...health, every: 200 }, retries: 0 });
    const next = Upstreams.build({ a: config }, before);
    assert.deepEqual(
      next
        .get('a')
        .states()
        .map(({ isHealthy }) => isHealthy),
      [true, false],
    );
    const asked = Upstreams.build({ a: upstreamConfig([sick.origin], { health: { ...health, path: '/' } }) }, next);
    assert.ok(asked.get('a').isHealthy(sick.origin));
    await before.close();
    await next.close();
    await asked.close();
  });

  test('ends the health checks of what is gone, and of nothing else', async () => {
    const [gone, kept] = [await probed(), await probed()];
    const config = { gone: upstreamConfig([gone.origin], { health }), kept: upstreamConfig([kept.origin], { health }) };
    const before = Upstreams.build(config);
    before.start();
    await eventually(() => assert.ok(gone.probes > 0 && kept.probes > 0));
    const next = Upstreams.build({ kept: config.kept }, before);
    next.start();
    next.closeUnused();
    const { probes } = gone;
    const seen = kept.probes;
    await eventually(() => assert.ok(kept.probes >= seen + 3));
    assert.ok(gone.probes <= probes + 1);
    await next.close();
  });

  test('lets a request that was decided before it still be forwarded, and ends the connections by themselves', async () => {
    const { upstream, upstreams, port } = await scenes.raw(answering(plainAnswer()));
    Upstreams.build({}, upstreams).closeUnused();
    assert.match(await RawClient.exchange(port, GET), /200 OK/);
    assert.equal(upstream.open.size, 1);
    await eventually(() => assert.equal(upstream.open.size, 0), { withinMs: 8000 });
  });
});

test('closing ends connections after the requests on them', async () => {
  const { upstream, upstreams, port } = await scenes.raw(async (connection) => {
    await connection.until('\r\n\r\n');
    void upstreams.close();
    connection.socket.write(plainAnswer());
  });
  assert.match(await RawClient.exchange(port, GET), /200 OK/);
  await eventually(() => assert.equal(upstream.open.size, 0));
});
