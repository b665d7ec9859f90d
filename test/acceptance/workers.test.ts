// `workers`: several processes on one port that are, seen from outside, one gateway.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Connection, requestBytes } from '../support/acceptance-http.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { workerPids, workersOf } from '../support/gateway-workers.ts';
import { FAILURES, get, LIMIT, many, readiness, storm, WORKERS, WorkersScene } from '../support/workers-scene.ts';

const key = 'an-imported-key-of-anyone';
const other = 'another-key-that-gets-revoked';
const asAnyone = { 'X-Api-Key': key };

describe('several workers', () => {
  let on: WorkersScene;
  let gateway: GatewayProcess;
  before(async () => {
    on = await WorkersScene.open('sqlite');
    gateway = await on.start();
    await on.scene.importKeys(gateway, [
      { id: 'anyone', owner: 'acme', secret: key },
      { id: 'other', owner: 'acme', secret: other },
    ]);
    await eventually(async () => assert.equal(await get(gateway, '/things/x', asAnyone), 200));
  });

  after(() => on.close());

  const served = async (): Promise<number> => (await gateway.metrics()).sum('portcullis_requests_total');

  test('all of them serve, and /metrics adds them up exactly', async () => {
    const before = await served();
    await many(90, () => get(gateway, '/open/x'));
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('portcullis_requests_total'), before + 90);
    assert.equal(metrics.sum('portcullis_workers', { state: 'configured' }), WORKERS);
    assert.equal(metrics.sum('portcullis_workers', { state: 'running' }), WORKERS);
    assert.equal(metrics.sum('portcullis_store_up'), 1);
    assert.equal(metrics.samples.filter(({ name }) => name === 'portcullis_config_info').length, 1);
    assert.equal((await readiness(gateway)).status, 200);
  });

  test('uses of a key are counted in one series, whichever worker met them', async () => {
    const uses = async (): Promise<number> =>
      (await gateway.metrics()).sum('portcullis_key_usage_total', { key: 'anyone' });
    const before = await uses();
    await many(30, () => get(gateway, '/things/x', asAnyone));
    assert.equal(await uses(), before + 30);
  });

  test('a worker that hangs: /metrics answers without it, /readyz names it, and it is welcome back', async () => {
    const [[worker, pid] = [0, 0]] = workersOf(gateway);
    const before = await served();
    process.kill(pid, 'SIGSTOP');
    try {
      const { status, checks } = await readiness(gateway);
      assert.equal(status, 503);
      assert.match(checks.workers[worker] ?? '', /does not answer/);
      assert.deepEqual(Object.values(checks.workers).filter((word) => word === 'ok').length, WORKERS - 1);
      assert.equal(await served(), before);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually(async () => assert.equal((await readiness(gateway)).status, 200));
  });

  test('a worker that is killed: only its own requests fail, another takes its place, no counter goes back', async () => {
    const pids = await workerPids(gateway, WORKERS);
    const connections = await many(24, () => Connection.open(gateway.proxyPort));
    for (const connection of connections) assert.equal((await connection.exchange({ target: '/open/x' })).status, 200);
    const before = await served();
    const victim = pids[0] ?? 0;
    process.kill(victim, 'SIGKILL');
    const survivors = await many(connections.length, async (at) => {
      const connection = connections[at] as Connection;
      const answer = await Promise.race([
        connection.exchange({ target: '/open/x' }).then(({ status }) => status),
        connection.closed.then(() => 'cut' as const),
      ]).catch(() => 'cut' as const);
      connection.destroy();
      return answer;
    });
    assert.ok(
      survivors.every((answer) => answer === 200 || answer === 'cut'),
      String(survivors),
    );
    const passed = survivors.filter((answer) => answer === 200).length;
    assert.ok(passed > 0, 'the others go on');
    await gateway.logLine(({ msg, pid }) => msg === 'a worker ended; another takes its place' && pid === victim);
    const replaced = await workerPids(gateway, WORKERS);
    assert.ok(!replaced.includes(victim));
    await eventually(async () => assert.equal((await readiness(gateway)).status, 200));
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('portcullis_requests_total'), before + passed);
    assert.ok(metrics.sum('portcullis_worker_restarts_total') >= 1);
    assert.equal(metrics.sum('portcullis_in_flight_requests'), 0);
  });

  /** Kills a worker, and waits until another has its place. */
  const replaceOne = async (): Promise<void> => {
    const [victim = 0] = await workerPids(gateway, WORKERS);
    process.kill(victim, 'SIGKILL');
    await gateway.logLine(({ msg, pid }) => msg === 'a worker ended; another takes its place' && pid === victim);
    await workerPids(gateway, WORKERS);
  };
  /** Over so many connections that every worker has some. */
  const assertServes = async (path: string): Promise<void> => {
    const statuses = await many(24, () => get(gateway, path));
    assert.ok(
      statuses.every((status) => status === 200),
      String(statuses),
    );
  };

  test('a change of the configuration reaches every worker, and one that takes a dead one’s place', async () => {
    const routes = { added: { path: '/added', upstream: 'app', access: 'public' } };
    await gateway.reconfigure(on.settings({}, routes));
    await eventually(async () => {
      const statuses = await many(24, () => get(gateway, '/added'));
      assert.ok(
        statuses.every((status) => status === 200),
        String(statuses),
      );
    });
    assert.equal(gateway.log.filter(({ msg }) => msg === 'configuration reloaded').length, 1);
    const { samples } = await gateway.metrics();
    assert.equal(samples.filter(({ name }) => name === 'portcullis_config_info').length, 1);
    await replaceOne();
    await assertServes('/added');
  });

  test('a broken configuration is refused by all and said once; a worker that starts then has the one before', async () => {
    const since = gateway.log.length;
    await gateway.reconfigure(on.settings({ guard: { failures: 0 } }));
    await gateway.logLine(({ msg }) => String(msg).startsWith('the configuration was refused'));
    await replaceOne();
    await assertServes('/added');
    const refused = gateway.log.slice(since).filter(({ msg }) => /refused/.test(String(msg)));
    assert.equal(refused.length, 1);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('portcullis_config_last_reload_successful'), 0);
    assert.equal(metrics.sum('portcullis_config_reload_failures_total'), 1);
    await gateway.reconfigure(on.settings());
    await eventually(async () =>
      assert.equal((await gateway.metrics()).sum('portcullis_config_last_reload_successful'), 1),
    );
  });

  test('a revoked key is refused on every worker within 1 s', async () => {
    // From many addresses, none of which is blocked for its failures.
    const ask = (at: number) =>
      get(gateway, '/things/x', { 'X-Api-Key': other, 'X-Forwarded-For': `198.51.100.${at}` });
    assert.ok((await many(24, ask)).every((status) => status === 200));
    await on.scene.run(gateway, 'keys', 'revoke', 'other');
    await eventually(async () => assert.ok((await many(24, ask)).every((status) => status === 401)), {
      withinMs: 1_000,
    });
  });

  test('a limit is never exceeded, whichever worker is asked', async () => {
    const answers = await storm(gateway, 500, '/limited', asAnyone);
    const counts = Map.groupBy(answers, (answer) => answer);
    assert.deepEqual([counts.get(200)?.length, counts.get(429)?.length], [LIMIT, 500 - LIMIT]);
  });

  test('failed attempts are counted over all workers, and a block holds on all', async () => {
    const from = { 'X-Forwarded-For': '203.0.113.7' };
    const tries: number[] = [];
    for (let at = 0; at < 40; at++)
      tries.push(await get(gateway, '/things/x', { ...from, 'X-Api-Key': `no-such-key-of-anyone-${at}` }));
    assert.equal(tries.filter((answer) => answer === 401).length, FAILURES, String(tries));
    assert.equal(tries.filter((answer) => answer === 429).length, 40 - FAILURES);
    await eventually(async () => {
      const statuses = await many(24, () => get(gateway, '/things/x', { ...from, ...asAnyone }));
      assert.ok(
        statuses.every((answer) => answer === 429),
        String(statuses),
      );
    });
  });

  test('standard output has whole lines only, whatever the load', async () => {
    const since = gateway.log.length;
    const agent = 'x'.repeat(400);
    await many(40, async () => {
      const connection = await Connection.open(gateway.proxyPort);
      const bytes = requestBytes({ target: `/open/${'p'.repeat(400)}`, headers: { 'User-Agent': agent } });
      for (let at = 0; at < 25; at++) connection.write(bytes);
      for (let at = 0; at < 25; at++) assert.equal((await connection.response()).status, 200);
      connection.destroy();
    });
    await eventually(() => {
      const lines = gateway.log.slice(since).filter(({ msg, userAgent }) => msg === 'request' && userAgent === agent);
      assert.equal(lines.length, 1_000);
    });
    assert.deepEqual(gateway.stray, []);
  });
});

test('on Redis: /readyz is 503 while the store is away, and a limit holds over the workers', async () => {
  const onRedis = await WorkersScene.open('redis');
  try {
    const gateway = await onRedis.start({ workers: 2, store: { url: onRedis.scene.store.url, timeout: '2s' } });
    await onRedis.scene.importKeys(gateway, [{ id: 'anyone', owner: 'acme', secret: key }]);
    await eventually(async () => assert.equal(await get(gateway, '/things/x', asAnyone), 200));
    const answers = await storm(gateway, 300, '/limited', asAnyone);
    assert.equal(answers.filter((answer) => answer === 200).length, LIMIT);
    onRedis.scene.store.redis?.stall();
    const { status, checks } = await readiness(gateway);
    assert.equal(status, 503);
    assert.notEqual(checks.store, 'ok');
    assert.deepEqual(checks.workers, { 1: 'ok', 2: 'ok' });
    onRedis.scene.store.redis?.resume();
    await eventually(async () => assert.equal((await readiness(gateway)).status, 200));
  } finally {
    await onRedis.close();
  }
});
