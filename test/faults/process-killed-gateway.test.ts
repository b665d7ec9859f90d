// `kill -9` of what serves, under load: one worker of several, then their primary, then a gateway of one process.
// Others go on, nobody is left behind, and what comes after it begins where it ended.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { found } from '../support/findings.ts';
import { isAlive, workerPids, workersOf } from '../support/gateway-workers.ts';

const WORKERS = 2;
const CLIENTS = 6;

describe('kill -9 of what serves', { concurrency: true }, () => {
  describe('a gateway of several processes', { concurrency: false }, () => {
    let on: FaultScene;
    before(async () => {
      on = await FaultScene.open({
        own: (scene) => ({ store: { url: scene.store.url, timeout: '5s' }, workers: WORKERS }),
      });
    });
    after(() => on.close());

    test('a worker stands still: the others serve, it is told of, and it serves again when it goes on', async (t) => {
      const pids = await workerPids(on.gateway, WORKERS);
      const [stopped = 0] = pids;
      process.kill(stopped, 'SIGSTOP');
      const load = on.load({ isFresh: true, clients: CLIENTS, pauseMs: 1 });
      try {
        const warned = await on.gateway.logLine(({ msg }) => msg === 'a worker does not answer', { withinMs: 15_000 });
        assert.equal(warned['pid'], stopped);
      } finally {
        process.kill(stopped, 'SIGCONT');
      }
      const meanwhile = load.answered;
      await on.gateway.logLine(({ msg }) => msg === 'a worker answers again', { withinMs: 15_000 });
      const { statuses, strangers, failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.deepEqual([...statuses.keys()], [200]);
      assert.deepEqual([...strangers.keys()], [401]);
      found(t, {
        promise: 7,
        tried: `one of ${WORKERS} workers stands still (SIGSTOP) until it is noticed, ${CLIENTS} clients open a connection for each request`,
        promised:
          'noticed after 2 signs of life that do not come; connections that the kernel gives it wait for it, all others are served; ended after 10',
        seen: `${meanwhile} requests answered meanwhile, the rest when it went on: ${countsText(statuses)}, strangers ${countsText(strangers)}, 0 failed`,
      });
    });

    test('a worker is killed: only what it had under way is lost, another takes its place', async (t) => {
      const [killed = 0] = await workerPids(on.gateway, WORKERS);
      const load = on.load({ clients: CLIENTS });
      await eventually(() => assert.ok(load.answered > 100), { withinMs: 15_000 });
      process.kill(killed, 'SIGKILL');
      await on.gateway.logLine(({ msg, pid }) => /a worker ended/.test(String(msg)) && pid === killed);
      await eventually(() => assert.ok([...workersOf(on.gateway).values()].length === WORKERS), { withinMs: 15_000 });
      const before = load.answered;
      await eventually(() => assert.ok(load.answered > before + 100), { withinMs: 15_000 });
      const { statuses, strangers, failures } = await load.stop();
      assert.ok(failures.length <= CLIENTS, failures.join('; '));
      assert.deepEqual([...statuses.keys()], [200]);
      found(t, {
        promise: 7,
        tried: `one of ${WORKERS} workers is killed (SIGKILL) under the load of ${CLIENTS} connections`,
        promised: 'what it had under way is cut, nothing else; another takes its place',
        seen: `${failures.length} requests cut; ${countsText(statuses)}, strangers ${countsText(strangers)}; ${on.unauthorised} unauthorised`,
      });
      assert.equal(on.unauthorised, 0);
    });

    test('the primary is killed: no worker is left behind, and the port is free for the next', async (t) => {
      const pids = await workerPids(on.gateway, WORKERS);
      const load = on.load({ clients: CLIENTS });
      await eventually(() => assert.ok(load.answered > 50), { withinMs: 15_000 });
      on.gateway.signal('SIGKILL');
      const killedAt = performance.now();
      await eventually(() => assert.ok(pids.every((pid) => !isAlive(pid))), { withinMs: 30_000 });
      const goneMs = performance.now() - killedAt;
      const { statuses } = await load.stop();
      assert.deepEqual([...statuses.keys()], [200]);
      const { proxyPort, opsPort, configFile } = on.gateway;
      const next = await on.scene.gateway(on.settings, { existing: { file: configFile, proxyPort, opsPort } });
      assert.equal((await on.ask()).status, 200);
      assert.equal(on.unauthorised, 0);
      await next.stop();
      found(t, {
        promise: 7,
        tried: `the primary of ${WORKERS} workers is killed (SIGKILL) under load`,
        promised: 'workers finish what is under way and end; the next gateway starts at the same address',
        seen: `workers gone after ${Math.round(goneMs)} ms, the next one serves; 0 unauthorised`,
      });
    });
  });

  test('a gateway of one process is killed under load, again and again: it starts, and keys and limits are as before', async (t) => {
    const on = await FaultScene.open({
      routes: {
        limited: {
          path: '/limited',
          upstream: 'app',
          limits: { calls: { requests: 500, per: '1d', algorithm: 'fixed' } },
        },
      },
    });
    try {
      const { proxyPort, opsPort, configFile } = on.gateway;
      let gateway = on.gateway;
      const kills = 3;
      let passed = 0;
      for (let at = 0; at < kills; at++) {
        const load = on.load({ target: '/limited', clients: CLIENTS });
        const most = load.answered + 60;
        await eventually(() => assert.ok(load.answered > most), { withinMs: 15_000 });
        gateway.signal('SIGKILL');
        await gateway.exited;
        passed += (await load.stop()).statuses.get(200) ?? 0;
        gateway = await on.scene.gateway(on.settings, { existing: { file: configFile, proxyPort, opsPort } });
      }
      // What a killed gateway held ahead is lost until the window ends, and never admitted twice.
      const load = on.load({ target: '/limited', clients: CLIENTS, pauseMs: 0 });
      await eventually(() => assert.ok((load.seen.statuses.get(429) ?? 0) > 20), { withinMs: 20_000 });
      passed += (await load.stop()).statuses.get(200) ?? 0;
      assert.ok(passed <= 500, `${passed} passed`);
      assert.equal((await on.ask()).status, 200);
      assert.equal(on.unauthorised, 0);
      found(t, {
        promise: 2,
        tried: `the gateway is killed (SIGKILL) ${kills} times under load on a limit of 500 a day, and started again`,
        promised: 'at most 500 pass in all; keys are as they were',
        seen: `${passed} passed; 0 unauthorised`,
      });
    } finally {
      await on.close();
    }
  });
});
