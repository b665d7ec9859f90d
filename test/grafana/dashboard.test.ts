import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { startGateway } from '../../src/compose/gateway.ts';
import { openManagement } from '../../src/compose/management.ts';
import { freePort } from '../support/acceptance-ports.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { panelQueries, readDashboard } from '../support/dashboard.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const dashboard = readDashboard(new URL('../../grafana/dashboards/portcullis.json', import.meta.url));
const charts = dashboard.panels.filter(({ type }) => type !== 'row');

describe('the Grafana dashboard', () => {
  it('says of every panel what it shows, in which unit, from the chosen data source', () => {
    for (const { title, description, fieldConfig, datasource, targets = [] } of charts) {
      assert.ok((description ?? '').length > 15, `${title} has a description`);
      assert.ok(fieldConfig?.defaults.unit, `${title} has a unit`);
      assert.ok(fieldConfig?.defaults.thresholds, `${title} has thresholds`);
      assert.deepEqual(datasource, { type: 'prometheus', uid: '${datasource}' }, title);
      assert.ok(targets.length > 0, `${title} has a query`);
    }
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    assert.equal(new Set(charts.map(({ title }) => title)).size, charts.length);
  });

  it('lays no panel over another', () => {
    for (const [at, { title, gridPos: a }] of dashboard.panels.entries()) {
      assert.ok(a.x + a.w <= 24, `${title} fits the width`);
      for (const { title: other, gridPos: b } of dashboard.panels.slice(at + 1)) {
        const isApart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        assert.ok(isApart, `${title} and ${other}`);
      }
    }
  });
});

describe('a real gateway that a real Prometheus scrapes', { timeout: 60_000 }, () => {
  let scene: Scene;
  let prometheus: Prometheus;

  before(async () => {
    scene = await openScene();
    prometheus = await startPrometheus(scene.opsAddress, 250);
  });

  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  it('satisfies promtool check metrics', async () => {
    await scene.drive();
    const answer = await fetch(`http://${scene.opsAddress}/metrics`);
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: await answer.text(), encoding: 'utf8' });
    assert.equal(promtool.stdout + promtool.stderr, '');
    assert.equal(promtool.status, 0);
  });

  it('gives data to every panel of the dashboard', async () => {
    const waiting = new Map(
      panelQueries(dashboard, '3s').map(({ panel, expression }) => [`${panel}: ${expression}`, expression]),
    );
    assert.ok(waiting.size >= charts.length);
    await eventually(
      async () => {
        await scene.drive();
        for (const [name, expression] of waiting) {
          const series = await prometheus.query(expression);
          if (series.some(({ value }) => Number.isFinite(Number(value[1])))) waiting.delete(name);
        }
        assert.equal(await prometheus.targetHealth(), 'up');
        assert.deepEqual([...waiting.keys()], [], 'panels without data');
      },
      { withinMs: 30_000, everyMs: 100 },
    );
  });

  it('gives values to every variable of the dashboard', async () => {
    const isScraped = async () => assert.notEqual((await prometheus.query('portcullis_build_info')).length, 0);
    await eventually(isScraped, { withinMs: 20_000, everyMs: 100 });
    for (const { name, definition } of dashboard.templating.list) {
      if (definition === undefined) continue;
      const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? [];
      const series = await prometheus.query(metric);
      assert.ok(
        series.some(({ metric: labels }) => labels[label] !== undefined),
        name,
      );
    }
  });

  it('takes every query of the page on metrics', async () => {
    const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const blocks = [...page.matchAll(/```promql\n([^]*?)```/g)].map(([, text = '']) => text);
    const queries = blocks.flatMap((text) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#')));
    assert.ok(queries.length > 15);
    for (const query of queries) await prometheus.query(query);
  });
});

interface Scene extends AsyncDisposable {
  readonly opsAddress: string;
  /** Sends one request of every kind, and checks that it is answered as it should be. */
  drive(): Promise<void>;
}

/** A gateway on the SQLite store in front of an upstream that answers and one that is not there. */
async function openScene(): Promise<Scene> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await makeTempDir());
  const upstream = createServer((request, response) => {
    request.resume();
    response.end('an order');
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  cleanup.defer(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const { port } = upstream.address() as AddressInfo;
  const route = { upstream: 'orders', scopes: ['orders:read'] };
  const config = {
    version: 1,
    listen: { proxy: '127.0.0.1:0', ops: '127.0.0.1:0' },
    store: { url: `sqlite:${folder.file('keys.db')}`, timeout: '5s' },
    credentials: { pepper: `file:${folder.file('pepper')}` },
    guard: { failures: 1_000_000 },
    upstreams: {
      orders: { targets: [`http://127.0.0.1:${port}`], health: { path: '/healthz', every: '100ms' } },
      gone: { targets: [`http://127.0.0.1:${await freePort()}`], retries: 0 },
    },
    plans: { tiny: { limits: { burst: { requests: 1, per: '1h' } } } },
    routes: {
      orders: { ...route, path: '/orders/**' },
      invoices: { ...route, path: '/invoices/**', scopes: ['invoices:read'] },
      watched: { ...route, path: '/watched/**', scopes: ['invoices:read'], mode: 'observe' },
      gone: { ...route, path: '/gone/**', upstream: 'gone' },
      docs: { path: '/docs/**', upstream: 'orders', access: 'public' },
    },
    log: { level: 'error', requests: 'denied' },
  };
  const file = folder.file('portcullis.yaml');
  await writeFile(file, stringify(config));
  const management = await openManagement({ file, env: {}, warn: () => undefined });
  const reader = await management.keys.create({ grants: { owner: 'acme', scopes: ['orders:read'] } });
  const limited = await management.keys.create({ grants: { owner: 'acme', scopes: ['orders:read'], plan: 'tiny' } });
  await management.close();
  const gateway = await startGateway({ config: file, env: {} });
  cleanup.defer(async () => {
    await gateway.stop();
  });

  const expectStatus = async (status: number, path: string, key?: string): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${gateway.proxyAddress.port}${path}`, {
      headers: key === undefined ? {} : { 'x-api-key': key },
    });
    await answer.arrayBuffer();
    assert.equal(answer.status, status, path);
  };
  await expectStatus(200, '/orders/1', limited.secret);
  const parts = cleanup.move();
  return {
    opsAddress: `127.0.0.1:${gateway.opsAddress.port}`,
    drive: async () => {
      await expectStatus(200, '/orders/7', reader.secret);
      await expectStatus(200, '/watched/7', reader.secret);
      await expectStatus(200, '/docs/index.html');
      await expectStatus(401, '/orders/7');
      await expectStatus(401, '/orders/7', 'ptc_live_nothing-that-anybody-has');
      await expectStatus(403, '/invoices/7', reader.secret);
      await expectStatus(404, '/nowhere');
      await expectStatus(429, '/orders/7', limited.secret);
      await expectStatus(502, '/gone/7', reader.secret);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
