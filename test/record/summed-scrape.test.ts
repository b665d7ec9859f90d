// The metrics of several processes as one page.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TalliedUses } from '../../src/record/key-uses.ts';
import { createMetrics, type Metrics } from '../../src/record/metrics.ts';
import { PrimaryMetrics } from '../../src/record/primary-metrics.ts';
import { SummedScrape } from '../../src/record/summed-scrape.ts';
import { readScrape } from '../support/acceptance-metrics.ts';
import { requestRecord } from '../support/request-records.ts';

const counter = (value: number) => `# HELP c_total How many.\n# TYPE c_total counter\nc_total{a="x y"} ${value}\n`;
const gauge = (name: string, value: number | string) => `# HELP ${name} It.\n# TYPE ${name} gauge\n${name} ${value}\n`;
const sum = (scrapes: SummedScrape, primary: string, ...workers: string[]) =>
  readScrape(scrapes.sum({ primary, workers }));

describe('a summed scrape', () => {
  it('counters are added up, and keep what processes that have ended had counted', () => {
    const scrapes = new SummedScrape();
    assert.equal(sum(scrapes, '', counter(3), counter(4)).sum('c_total', { a: 'x y' }), 7);
    scrapes.keep(counter(4));
    assert.equal(sum(scrapes, '', counter(3)).sum('c_total'), 7);
    scrapes.keep(counter(3));
    assert.equal(sum(scrapes, '', counter(1)).sum('c_total'), 8);
  });

  it('what a gauge says of several processes is told by its kind', () => {
    const text = (up: number, keys: number, lag: number | string, other: number) =>
      gauge('portcullis_store_up', up) +
      gauge('portcullis_keys', keys) +
      gauge('nodejs_eventloop_lag_p99_seconds', lag) +
      gauge('portcullis_in_flight_requests', other) +
      gauge('process_start_time_seconds', other);
    const scrapes = new SummedScrape();
    scrapes.keep(text(0, 99, 99, 99));
    const primary = gauge('process_start_time_seconds', 5);
    const page = sum(scrapes, primary, text(1, 7, 'Nan', 2), text(0, 8, 0.5, 3), text(1, 7, 0.25, 4));
    assert.equal(page.sum('portcullis_store_up'), 0);
    assert.equal(page.sum('portcullis_keys'), 8);
    assert.equal(page.sum('nodejs_eventloop_lag_p99_seconds'), 0.5);
    assert.equal(page.sum('portcullis_in_flight_requests'), 9);
    assert.equal(page.sum('process_start_time_seconds'), 5);
  });

  it('no number of processes that end makes it grow without end', () => {
    const scrapes = new SummedScrape();
    for (let worker = 0; worker < 30; worker++) {
      const lines = Array.from({ length: 1_000 }, (_, at) => `c_total{of="${worker}-${at}"} 1\n`).join('');
      scrapes.keep(`# HELP c_total How many.\n# TYPE c_total counter\n${lines}`);
    }
    assert.equal(sum(scrapes, '').samples.length, 10_000);
  });
});

describe('the metrics of a primary', () => {
  const worker = (): { metrics: Metrics; uses: TalliedUses } => {
    const uses = new TalliedUses();
    const metrics = createMetrics({ version: '1', nodeVersion: '26', keyUses: uses });
    metrics.adopt({ routes: ['read-orders'], upstreams: ['orders'], limits: ['burst'] });
    return { metrics, uses };
  };
  const primary = () =>
    new PrimaryMetrics({
      workers: () => ({ configured: 2, running: 1, restarts: 3 }),
      droppedLogLines: () => 1,
      clock: () => 1_000,
    });

  it('of many keys on many workers the busiest are named, and no use is lost', async () => {
    const page = primary();
    const workers = Array.from({ length: 4 }, worker);
    const ids = Array.from({ length: 9_000 }, (_, at) => `key-${at}`);
    for (const { metrics } of workers)
      for (const id of ['busy', ...ids]) {
        metrics.began();
        metrics.ended(requestRecord({ keyId: id }));
      }
    for (const { uses } of workers) page.count(uses.take());
    const { text } = await page.scrape([]);
    const scrape = readScrape(text);
    assert.equal(scrape.sum('portcullis_key_usage_total'), 4 * 9_001);
    assert.equal(scrape.sum('portcullis_key_usage_total', { key: 'busy' }), 4);
    assert.equal(scrape.samples.filter(({ name }) => name === 'portcullis_key_usage_total').length, 21);
    assert.deepEqual([...(workers[0]?.uses.take().used ?? [])], [], 'what was taken is not counted again');
  });

  it('has what only the primary knows, and every metric of a worker once', async () => {
    const page = primary();
    page.reloads.reloaded(true, 'abc', 1_000);
    const { metrics } = worker();
    metrics.reloaded(true, 'abc', 2_000);
    const texts = [(await metrics.scrape()).text, (await metrics.scrape()).text];
    const { text } = await page.scrape(texts);
    const scrape = readScrape(text);
    assert.equal(scrape.sum('portcullis_workers', { state: 'configured' }), 2);
    assert.equal(scrape.sum('portcullis_workers', { state: 'running' }), 1);
    assert.equal(scrape.sum('portcullis_worker_restarts_total'), 3);
    assert.equal(scrape.sum('portcullis_log_dropped_total'), 1);
    assert.equal(scrape.sum('portcullis_config_info', { hash: 'abc' }), 1);
    assert.equal(scrape.sum('portcullis_config_last_reload_success_timestamp_seconds'), 1);
    assert.equal(scrape.sum('portcullis_build_info'), 1);
    const alone = readScrape((await createMetrics({ version: '1', nodeVersion: '26' }).scrape()).text);
    assert.deepEqual(
      [...alone.types.keys()].filter((name) => !scrape.types.has(name)),
      [],
    );
    const named = text.split('\n').filter((line) => line.startsWith('# TYPE '));
    assert.equal(new Set(named).size, named.length);
  });
});
