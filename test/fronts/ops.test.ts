import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import supertest from 'supertest';
import { createOpsServer, type Readiness } from '../../src/fronts/ops.ts';
import { createMetrics } from '../../src/record/metrics.ts';
import { inTime } from '../support/acceptance-wait.ts';

describe('the ops listener', () => {
  const metrics = createMetrics({ version: '1.2.3', nodeVersion: '26.10.0' });
  let ready: () => Promise<Readiness>;
  let asked = 0;
  let scrape = () => metrics.scrape();
  let server: Server;
  const up: Readiness = { isDraining: false, storeFault: null };

  before(async () => {
    server = createOpsServer({
      ready: () => {
        asked++;
        return ready();
      },
      metrics: () => scrape(),
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it('answers /livez 200 and never asks the store', async () => {
    ready = () => Promise.reject(new Error('asked'));
    asked = 0;
    const answer = await supertest(server).get('/livez').expect(200);
    assert.deepEqual(answer.body, { status: 'alive' });
    assert.equal(asked, 0);
  });

  it('answers /readyz 200 where the store answers and the gateway is not draining', async () => {
    ready = () => Promise.resolve(up);
    const answer = await supertest(server).get('/readyz').expect(200);
    assert.deepEqual(answer.body, { status: 'ready', checks: { store: 'ok', draining: false } });
  });

  it('answers /readyz 503 with a JSON body naming what fails', async () => {
    ready = () => Promise.resolve({ isDraining: false, storeFault: 'the store did not answer within 100 ms' });
    const withoutStore = await supertest(server)
      .get('/readyz')
      .expect(503)
      .expect('Content-Type', /^application\/json/);
    assert.deepEqual(withoutStore.body, {
      status: 'unready',
      checks: { store: 'the store did not answer within 100 ms', draining: false },
    });
    ready = () => Promise.resolve({ isDraining: true, storeFault: null });
    const draining = await supertest(server).get('/readyz').expect(503);
    assert.deepEqual(draining.body, { status: 'unready', checks: { store: 'ok', draining: true } });
  });

  it('answers /readyz 503 where a worker cannot serve, and names it', async () => {
    ready = () => Promise.resolve({ ...up, workers: { 1: null, 2: null } });
    const answer = await supertest(server).get('/readyz').expect(200);
    assert.deepEqual(answer.body, {
      status: 'ready',
      checks: { store: 'ok', draining: false, workers: { 1: 'ok', 2: 'ok' } },
    });
    ready = () => Promise.resolve({ ...up, workers: { 1: null, 2: 'it does not answer' } });
    const without = await supertest(server).get('/readyz').expect(503);
    assert.deepEqual(without.body, {
      status: 'unready',
      checks: { store: 'ok', draining: false, workers: { 1: 'ok', 2: 'it does not answer' } },
    });
  });

  it('asks the store once for probes that come together, and anew afterwards', async () => {
    const { promise, resolve } = Promise.withResolvers<Readiness>();
    ready = () => promise;
    asked = 0;
    const probes = Array.from({ length: 20 }, () => fetchStatus('/readyz'));
    const answered = Promise.all(probes);
    while (asked === 0) await new Promise(setImmediate);
    await fetchStatus('/livez');
    resolve(up);
    assert.deepEqual(await answered, Array(20).fill(200));
    const together = asked;
    assert.ok(together < 20);
    await fetchStatus('/readyz');
    assert.equal(asked, together + 1);
  });

  it('makes one text for scrapes that come together, and another one afterwards', async () => {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof scrape>>>();
    let made = 0;
    scrape = () => {
      made++;
      return promise;
    };
    const answered = Promise.all(Array.from({ length: 20 }, () => fetchStatus('/metrics')));
    while (made === 0) await new Promise(setImmediate);
    await fetchStatus('/livez');
    resolve({ contentType: 'text/plain', text: 'one' });
    assert.deepEqual(await answered, Array(20).fill(200));
    const together = made;
    assert.ok(together < 20);
    await fetchStatus('/metrics');
    assert.equal(made, together + 1);
    scrape = () => metrics.scrape();
  });

  it('answers /metrics as Prometheus text', async () => {
    const answer = await supertest(server).get('/metrics').expect(200);
    assert.match(answer.headers['content-type']!, /^text\/plain; version=0\.0\.4; charset=utf-8$/);
    assert.match(answer.text, /^portcullis_build_info\{version="1\.2\.3",node="26\.10\.0"\} 1$/m);
  });

  it('answers HEAD without a body', async () => {
    ready = () => Promise.resolve(up);
    for (const path of ['/livez', '/readyz', '/metrics']) {
      const answer = await supertest(server).head(path).expect(200);
      assert.equal(answer.text ?? '', '');
    }
  });

  it('answers other methods 405 with Allow, and other paths 404, as problem documents', async () => {
    for (const path of ['/livez', '/readyz', '/metrics'])
      for (const method of ['post', 'put', 'patch', 'delete', 'options'] as const) {
        const answer = await supertest(server)[method](path).expect(405).expect('Allow', 'GET, HEAD');
        assert.equal((JSON.parse(answer.text) as { code: string }).code, 'method_not_allowed');
      }
    for (const path of ['/', '/Livez', '/livez/', '/metrics/x', '/%2e%2e/livez']) {
      const answer = await supertest(server)
        .get(path)
        .expect(404)
        .expect('Content-Type', /^application\/problem\+json/);
      assert.equal((JSON.parse(answer.text) as { type: string }).type, 'urn:portcullis:problem:route_not_found');
    }
  });

  it('shows no stack and no product name, whatever breaks', async () => {
    scrape = () => Promise.reject(new Error('at /home/someone'));
    const failed = await supertest(server)
      .get('/metrics')
      .expect(500)
      .expect('Content-Type', /^application\/problem\+json/);
    assert.ok(!failed.text.includes('someone'));
    assert.equal(failed.headers['x-powered-by'], undefined);
    scrape = () => metrics.scrape();
  });

  it('lets no answer be cached', async () => {
    ready = () => Promise.resolve(up);
    for (const path of ['/livez', '/readyz', '/metrics', '/nowhere'])
      await supertest(server).get(path).expect('Cache-Control', 'no-store');
  });

  it('closes a connection on which nothing is said within seconds, so that it keeps no probe out for long', async () => {
    const { port } = server.address() as AddressInfo;
    const silent = connect(port, '127.0.0.1').resume();
    try {
      await inTime(once(silent, 'close'), 'its close', 10_000);
    } finally {
      silent.destroy();
    }
  });

  async function fetchStatus(path: string): Promise<number> {
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    await answer.arrayBuffer();
    return answer.status;
  }
});
