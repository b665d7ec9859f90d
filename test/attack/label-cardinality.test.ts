// What a client sends must not make series: labels are names from the configuration or closed sets, and the exposition
// stays one that Prometheus reads, whatever the paths, methods, hosts, keys, agents and the upstream's statuses.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { readScrape } from '../support/acceptance-metrics.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededNumbers, type SeededNumbers } from '../support/seeded-numbers.ts';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { type Arena, HOST } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { request } from './harness/ways.ts';

/** The labels that a request has a part in, and all that they may say. */
const CLOSED: Readonly<Record<string, RegExp>> = {
  route: /^(?:none|open|socket|admin|public)$/,
  method: /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|other)$/,
  status: /^(?:[1-5]\d\d|other)$/,
  outcome: /^(?:allowed|denied|observed)$/,
  reason: /^[a-z_]{1,32}$/,
  key: /^(?:reader|admin|other|held-\d+)$/,
  upstream: /^main$/,
  limit: /^calls$/,
};
/** More than all cases here can make of closed sets; an open one has as many as there were cases. */
const MOST_SERIES = 900;

/** No label has a value of the client's. */
async function judgeSeries(_seen: readonly SeenRequest[], { gateway }: Pick<Arena, 'gateway'>): Promise<void> {
  const { samples } = await gateway.metrics();
  assert.ok(samples.length < MOST_SERIES, `${samples.length} series`);
  for (const { name, labels } of samples) {
    for (const [label, value] of Object.entries(labels)) {
      const closed = CLOSED[label];
      if (closed) assert.match(value, closed, `${label} of ${name}`);
      assert.doesNotMatch(value, MARK, `${label} of ${name}`);
    }
  }
}

/** Stands in all that a case makes up. */
const MARK = /made.?up/i;

function counted(what: string, bytes: string, answers: readonly number[], source: string): KnownCase {
  const [method = '', target = ''] = bytes.split(' ');
  return { name: what, source, bytes, answers, ...(answers[0] === 200 && { sees: [`${method} ${target}`] }) };
}

const OTEL = 'CVE-2023-45142 (OpenTelemetry Go)';
const CLIENT_GOLANG = 'CVE-2022-21698 (Prometheus client_golang)';

attackClass({
  name: 'label cardinality',
  why: 'What makes no series here is forwarded or refused for other reasons: paths, methods and hosts are not compared but by their class.',
  check: judgeSeries,
  known: [
    {
      ...counted('a method of its own', request('/open/a', { method: 'MADEUP' }), [405], CLIENT_GOLANG),
      inPieces: [400],
    },
    counted('a path of its own', request('/open/made-up'), [200], 'Prometheus, instrumentation practices'),
    counted('a path that no route has', request('/made-up'), [404], 'Prometheus, instrumentation practices'),
    counted('an agent of its own', request('/open/a', { fields: 'User-Agent: made-up\r\n' }), [200], OTEL),
    counted('a host of its own', `GET /open/a HTTP/1.1\r\nHost: made-up.test\r\n\r\n`, [401], OTEL),
    counted(
      'a key of its own',
      `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\nx-api-key: made-up-key-00000001\r\n\r\n`,
      [401],
      'OWASP API4:2023',
    ),
    counted(
      'an upgrade of its own',
      request('/open/a', { fields: 'Connection: Upgrade\r\nUpgrade: made-up\r\n' }),
      [426],
      OTEL,
    ),
    counted('labels in a path', request('/open/made-up%22%7D%20999%0A'), [400], 'Prometheus, exposition formats'),
    counted('labels in an agent', request('/open/a', { fields: 'User-Agent: made-up"} 1\\n\r\n' }), [200], OTEL),
  ],
  generate: (numbers) => {
    const { below } = numbers;
    const own = madeUp(numbers);
    switch (below(7)) {
      case 0:
        return request('/open/a', { method: `MADEUP${own.toUpperCase()}` });
      case 1:
        return request(`/${['open', 'admin', 'public', 'other'][below(4)]}/made-up-${own}`);
      case 2:
        return request('/open/a', { fields: `User-Agent: made-up-${own}\r\nMade-Up-${own}: made-up\r\n` });
      case 3:
        return `GET /open/a HTTP/1.1\r\nHost: made-up-${own}.test\r\nx-api-key: made-up-${own}-0123456789\r\n\r\n`;
      case 4:
        return request('/open/a', { fields: `Connection: Upgrade\r\nUpgrade: made-up-${own}\r\n` });
      case 5:
        return request(`/open/a?made-up=${own}`, {
          method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'][below(5)] ?? '',
        });
      default:
        return request(`/open/"made-up-${own}"}`, { fields: `X-Request-Id: made-up-${own}\r\n` });
    }
  },
  rules: { forwardedHost: /^(?:gateway\.test|made-up-[a-z]+\.test)$/ },
});

function madeUp({ below }: SeededNumbers): string {
  return Array.from({ length: 12 }, () => String.fromCharCode(0x61 + below(26))).join('');
}

/** Keys that are used, of which few have a series of their own (SPEC section 6). */
const HELD = 60;
const NAMED = 20;
const ROUNDS = 12;
const EACH_ROUND = 100;

test('the series are the same after thousands of values as after the first of each kind', async (t) => {
  const scene = await Scene.open('sqlite');
  try {
    const numbers = seededNumbers();
    t.diagnostic(numbers.seed);
    let answered = 0;
    const upstream = await scene.upstream((_request, response) => {
      response.writeHead(200 + (answered++ % 400)).end();
    });
    const gateway = await scene.gateway({
      upstreams: { main: { targets: [upstream.url] } },
      guard: { failures: 1_000_000, per: '1m', block: '1s' },
      routes: { open: { path: '/open/**', upstream: 'main', limits: { calls: { requests: 1_000_000, per: '1h' } } } },
    });
    const held = Array.from({ length: HELD }, (_, at) => ({
      id: `held-${at}`,
      secret: `made-up-held-key-${at + 1000}`,
    }));
    await scene.importKeys(
      gateway,
      held.map((key) => ({ ...key, owner: 'acme' })),
    );
    const secrets = held.map(({ secret }) => secret);
    // Each status of the upstream, each kind of refusal, and each key, once.
    for (let round = 0; round < 5; round += 1) await send(gateway, round, secrets, numbers);
    const first = await settledSeries(gateway);
    for (let round = 0; round < ROUNDS; round += 1) await send(gateway, round, secrets, numbers);
    const last = await settledSeries(gateway);
    assert.deepEqual(last, first);
    const { text } = await gateway.metrics();
    const used = readScrape(text).samples.filter(({ name }) => name === 'portcullis_key_usage_total');
    assert.equal(used.length, NAMED + 1);
    assert.ok(used.some(({ labels, value }) => labels['key'] === 'other' && value > 0));
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.equal(promtool.status, 0, `${promtool.stdout}${promtool.stderr}`);
    found(t, {
      attackClass: 'label cardinality, series counted',
      known: 0,
      generated: ROUNDS * EACH_ROUND,
      unauthorised: 0,
      seed: numbers.seed,
    });
  } finally {
    await scene.close();
  }
});

/** Requests of all kinds on one connection, each with values that no other has. */
async function send(
  gateway: GatewayProcess,
  round: number,
  secrets: readonly string[],
  numbers: SeededNumbers,
): Promise<void> {
  const bytes = Array.from({ length: EACH_ROUND }, (_, at) => {
    const own = madeUp(numbers);
    const key = at % 10 === 9 ? `made-up-${own}` : secrets[(round * EACH_ROUND + at) % secrets.length];
    const target = at % 10 === 8 ? `/made-up-${own}` : `/open/made-up-${own}?made-up=${own}`;
    const last = at === EACH_ROUND - 1 ? 'Connection: close\r\n' : '';
    return `GET ${target} HTTP/1.1\r\nHost: ${own}.test\r\nx-api-key: ${key}\r\nUser-Agent: made-up-${own}\r\n${last}\r\n`;
  });
  await RawClient.exchange(gateway.proxyPort, bytes.join(''), 20_000);
}

/**
 * What kinds of handles Node has open just now, and what kinds of garbage collection there have been: closed sets, of
 * which some are there at one time and not at another.
 */
const OF_THE_MOMENT: ReadonlySet<string> = new Set([
  'nodejs_gc_duration_seconds_bucket',
  'nodejs_gc_duration_seconds_sum',
  'nodejs_gc_duration_seconds_count',
  'nodejs_active_resources',
  'nodejs_active_handles',
  'nodejs_active_requests',
]);

/** The series, by name and labels, once nothing is under way. */
async function settledSeries(gateway: GatewayProcess): Promise<string[]> {
  return eventually(async () => {
    const scrape = await gateway.metrics();
    assert.equal(scrape.sum('portcullis_in_flight_requests'), 0);
    await judgeSeries([], { gateway });
    return scrape.samples
      .filter(({ name }) => !OF_THE_MOMENT.has(name))
      .map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`)
      .toSorted();
  });
}
