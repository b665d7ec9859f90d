import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { type Metrics, createMetrics } from '../../src/record/metrics.ts';
import { requestRecord } from '../support/request-records.ts';
import { eventually } from '../support/acceptance-wait.ts';

const NAMES = { routes: ['read-orders', 'docs'], upstreams: ['orders'], limits: ['burst', 'daily'] };

function newMetrics(clock?: () => number): Metrics {
  const metrics = createMetrics({ version: '1.2.3', nodeVersion: '26.10.0', ...(clock && { clock }) });
  metrics.adopt(NAMES);
  return metrics;
}

async function series(metrics: Metrics, start: string): Promise<string[]> {
  const { text } = await metrics.scrape();
  return text.split('\n').filter((line) => line.startsWith(start));
}

function count(metrics: Metrics, differs?: Parameters<typeof requestRecord>[0]): void {
  metrics.began();
  metrics.ended(requestRecord(differs));
}

describe('metrics', () => {
  it('has every metric of the specification with its type and labels', async () => {
    const metrics = newMetrics();
    count(metrics);
    metrics.storeObserver('find', 1, false);
    metrics.reloaded(true, 'abc', 1_700_000_000_000);
    metrics.supply({
      keyCounts: async () => ({ active: 1, disabled: 0, revoked: 0, expired: 0 }),
      upstreamStates: () => [{ upstream: 'orders', target: 'http://127.0.0.1:3000', isHealthy: true }],
    });
    await eventually(async () => assert.notEqual((await series(metrics, 'portcullis_keys{')).length, 0));
    metrics.close();
    const { text, contentType } = await metrics.scrape();
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    for (const [name, type, labels] of SPECIFIED) {
      assert.ok(text.includes(`# TYPE ${name} ${type}\n`), `${name} is a ${type}`);
      const sample = new RegExp(`^${name}(?:_count)?(?:\\{([^}]*)\\})? `, 'm').exec(text);
      assert.ok(sample, `${name} has a series`);
      const found = (sample[1] ?? '').split(',').map((pair) => pair.split('=')[0]);
      assert.deepEqual(found, labels.length === 0 ? [''] : labels, `labels of ${name}`);
    }
  });

  it('satisfies promtool check metrics', async () => {
    const metrics = newMetrics();
    count(metrics);
    count(metrics, { route: null, status: 404, outcome: 'denied', reason: 'route_not_found', keyId: null });
    metrics.storeObserver('find', 1, true);
    metrics.reloaded(false, 'abc', 1_700_000_000_000);
    const { text } = await metrics.scrape();
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.equal(promtool.stdout + promtool.stderr, '');
    assert.equal(promtool.status, 0);
  });

  it('counts requests by route, method and status, with closed sets for what clients choose', async () => {
    const metrics = newMetrics();
    count(metrics);
    count(metrics);
    count(metrics, { method: 'BREW', status: 405 });
    count(metrics, { route: null, method: 'GET', status: 404 });
    count(metrics, { route: 'never-configured', status: 799 });
    assert.deepEqual(await series(metrics, 'portcullis_requests_total'), [
      'portcullis_requests_total{route="none",method="GET",status="404"} 1',
      'portcullis_requests_total{route="read-orders",method="GET",status="200"} 2',
      'portcullis_requests_total{route="read-orders",method="other",status="405"} 1',
      'portcullis_requests_total{route="other",method="GET",status="other"} 1',
    ]);
  });

  it('counts decisions by outcome and reason', async () => {
    const metrics = newMetrics();
    count(metrics);
    count(metrics, { outcome: 'denied', reason: 'revoked', status: 401 });
    count(metrics, { outcome: 'observed', reason: 'scope_missing' });
    assert.deepEqual(await series(metrics, 'portcullis_decisions_total'), [
      'portcullis_decisions_total{route="read-orders",outcome="allowed",reason="key"} 1',
      'portcullis_decisions_total{route="read-orders",outcome="denied",reason="revoked"} 1',
      'portcullis_decisions_total{route="read-orders",outcome="observed",reason="scope_missing"} 1',
    ]);
  });

  it('puts a duration into the bucket that it does not exceed, and all above', async () => {
    const metrics = newMetrics();
    count(metrics, { durationMs: 10 });
    count(metrics, { durationMs: 10.001 });
    count(metrics, { durationMs: 1_000_000 });
    count(metrics, { durationMs: Number.NaN });
    const lines = await series(metrics, 'portcullis_request_duration_seconds');
    const value = (match: string) =>
      Number(
        lines
          .find((line) => line.includes('"read-orders"') && line.includes(match))
          ?.split(' ')
          .at(-1),
      );
    assert.equal(value('le="0.0005"'), 1);
    assert.equal(value('le="0.01"'), 2);
    assert.equal(value('le="0.025"'), 3);
    assert.equal(value('le="60"'), 3);
    assert.equal(value('le="+Inf"'), 4);
    assert.equal(value('_count'), 4);
    assert.ok(Math.abs(value('_sum') - 1000.020001) < 1e-9);
  });

  it('counts requests in flight', async () => {
    const metrics = newMetrics();
    metrics.began();
    metrics.began();
    metrics.ended(requestRecord());
    assert.deepEqual(await series(metrics, 'portcullis_in_flight_requests'), ['portcullis_in_flight_requests 1']);
  });

  it('keeps what was counted when a reload adds and removes names', async () => {
    const metrics = newMetrics();
    count(metrics, { nearLimits: ['burst'] });
    metrics.adopt({ routes: ['docs', 'added'], upstreams: ['other-upstream'], limits: [] });
    count(metrics);
    count(metrics, { route: 'added', upstream: 'other-upstream', nearLimits: ['burst'] });
    assert.deepEqual(await series(metrics, 'portcullis_requests_total'), [
      'portcullis_requests_total{route="read-orders",method="GET",status="200"} 2',
      'portcullis_requests_total{route="added",method="GET",status="200"} 1',
    ]);
    assert.ok(
      (await series(metrics, 'portcullis_limit_near_total')).includes('portcullis_limit_near_total{limit="burst"} 2'),
    );
    const counts = await series(metrics, 'portcullis_upstream_duration_seconds_count');
    assert.deepEqual(counts, [
      'portcullis_upstream_duration_seconds_count{upstream="orders"} 2',
      'portcullis_upstream_duration_seconds_count{upstream="other-upstream"} 1',
    ]);
  });

  it('has a bounded number of series after any number of reloads', async () => {
    const metrics = newMetrics();
    for (let round = 0; round < 3_000; round++) {
      metrics.adopt({ ...NAMES, routes: [`route-${round}`] });
      count(metrics, { route: `route-${round}` });
    }
    const lines = await series(metrics, 'portcullis_requests_total');
    assert.ok(lines.length <= 1_002, `${lines.length} series`);
    assert.ok(lines.includes('portcullis_requests_total{route="route-2999",method="GET",status="200"} 1'));
  });

  it('learns the names of store operations, and no more than a bounded number', async () => {
    const metrics = newMetrics();
    for (let at = 0; at < 1_000; at++) metrics.storeObserver(`operation-${at}`, 1, at % 2 === 1);
    const lines = await series(metrics, 'portcullis_store_errors_total');
    assert.equal(lines.length, 65);
    assert.ok(lines.includes('portcullis_store_errors_total{operation="operation-1"} 1'));
    assert.ok(lines.some((line) => line.startsWith('portcullis_store_errors_total{operation="other"}')));
  });

  it('tells whether the store answered when it was last asked', async () => {
    const metrics = newMetrics();
    const isUp = async () => (await series(metrics, 'portcullis_store_up '))[0];
    assert.equal(await isUp(), 'portcullis_store_up 0');
    metrics.storeObserver('find', 1, false);
    assert.equal(await isUp(), 'portcullis_store_up 1');
    metrics.storeObserver('find', 100, true);
    assert.equal(await isUp(), 'portcullis_store_up 0');
    metrics.storeUp(true);
    assert.equal(await isUp(), 'portcullis_store_up 1');
  });

  it('tells how the last reload went, and keeps the hash and time of the configuration in force', async () => {
    const metrics = newMetrics();
    metrics.reloaded(true, 'aa', 1_700_000_000_500);
    metrics.reloaded(false, 'aa', 1_700_000_009_000);
    assert.deepEqual(await series(metrics, 'portcullis_config'), [
      'portcullis_config_last_reload_successful 0',
      'portcullis_config_last_reload_success_timestamp_seconds 1700000000.5',
      'portcullis_config_reload_failures_total 1',
      'portcullis_config_info{hash="aa"} 1',
    ]);
    metrics.reloaded(true, 'bb', 1_700_000_010_000);
    assert.deepEqual(await series(metrics, 'portcullis_config_info'), ['portcullis_config_info{hash="bb"} 1']);
  });

  it('answers a scrape without waiting for a store that does not answer', async () => {
    const metrics = newMetrics();
    let asked = 0;
    metrics.supply({
      keyCounts: () => {
        asked++;
        return new Promise(() => {});
      },
    });
    assert.deepEqual(await series(metrics, 'portcullis_keys{'), []);
    assert.equal(asked, 1);
    metrics.close();
  });

  it('escapes label values', async () => {
    const metrics = newMetrics();
    metrics.supply({ upstreamStates: () => [{ upstream: 'a', target: 'http://h/"\\\n', isHealthy: false }] });
    assert.deepEqual(await series(metrics, 'portcullis_upstream_healthy{'), [
      'portcullis_upstream_healthy{upstream="a",target="http://h/\\"\\\\\\n"} 0',
    ]);
  });

  it('keeps the metrics of two gateways in one process apart', async () => {
    const one = newMetrics();
    const two = newMetrics();
    count(one);
    assert.equal((await series(one, 'portcullis_requests_total')).length, 1);
    assert.equal((await series(two, 'portcullis_requests_total')).length, 0);
  });
});

const SPECIFIED: readonly [name: string, type: string, labels: readonly string[]][] = [
  ['portcullis_requests_total', 'counter', ['route', 'method', 'status']],
  ['portcullis_decisions_total', 'counter', ['route', 'outcome', 'reason']],
  ['portcullis_request_duration_seconds', 'histogram', ['route']],
  ['portcullis_upstream_duration_seconds', 'histogram', ['upstream']],
  ['portcullis_overhead_seconds', 'histogram', []],
  ['portcullis_in_flight_requests', 'gauge', []],
  ['portcullis_upstream_healthy', 'gauge', ['upstream', 'target']],
  ['portcullis_key_cache_events_total', 'counter', ['event']],
  ['portcullis_store_up', 'gauge', []],
  ['portcullis_store_errors_total', 'counter', ['operation']],
  ['portcullis_store_duration_seconds', 'histogram', ['operation']],
  ['portcullis_keys', 'gauge', ['state']],
  ['portcullis_key_usage_total', 'counter', ['key']],
  ['portcullis_key_near_limit_total', 'counter', ['key']],
  ['portcullis_config_last_reload_successful', 'gauge', []],
  ['portcullis_config_last_reload_success_timestamp_seconds', 'gauge', []],
  ['portcullis_config_info', 'gauge', ['hash']],
  ['portcullis_build_info', 'gauge', ['version', 'node']],
];
