// How a gateway of several processes starts, or does not, and how it ends.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { portcullis } from '../support/acceptance-cli.ts';
import { Connection, requestBytes } from '../support/acceptance-http.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { isAlive, workerPids } from '../support/gateway-workers.ts';
import { get, many, readiness, WORKERS, WorkersScene } from '../support/workers-scene.ts';

let on: WorkersScene;
before(async () => {
  on = await WorkersScene.open('sqlite');
});
after(() => on.close());

describe('the end of several workers', () => {
  test('SIGTERM to the whole group: served during the delay, requests in flight finish on every worker, exit 0', async () => {
    const gateway = await on.start({ shutdown: { delay: '1s', timeout: '10s' } });
    const pids = await workerPids(gateway, WORKERS);
    const held = await many(12, () => Connection.open(gateway.proxyPort));
    for (const connection of held) connection.write(requestBytes({ target: '/open/hold' }));
    await eventually(() => assert.equal(on.app.held.length, held.length));
    for (const pid of pids) for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.kill(pid, name);
    gateway.signal('SIGTERM');
    await eventually(async () => {
      const { status, checks } = await readiness(gateway);
      assert.equal(status, 503);
      assert.equal(checks.draining, true);
    });
    assert.equal(await get(gateway, '/open/x'), 200);
    await eventually(() => assert.rejects(Connection.open(gateway.proxyPort)));
    on.app.release();
    for (const connection of held) assert.equal((await connection.response()).status, 200);
    assert.deepEqual(await inTime(gateway.exited, 'the exit'), { code: 0, signal: null });
    assert.ok(pids.every((pid) => !isAlive(pid)));
  });

  test('at shutdown.timeout the rest is cut and the exit is 1', async () => {
    const gateway = await on.start({ workers: 2, shutdown: { timeout: '300ms' } });
    const held = await Connection.open(gateway.proxyPort);
    held.write(requestBytes({ target: '/open/hold' }));
    await eventually(() => assert.equal(on.app.held.length, 1));
    gateway.signal('SIGTERM');
    assert.deepEqual(await inTime(gateway.exited, 'the exit'), { code: 1, signal: null });
    await inTime(held.closed, 'the cut of the connection');
    on.app.release();
  });

  test('a second signal ends all of them at once, exit 1', async () => {
    const gateway = await on.start({ workers: 2 });
    const pids = await workerPids(gateway, 2);
    const held = await Connection.open(gateway.proxyPort);
    held.write(requestBytes({ target: '/open/hold' }));
    await eventually(() => assert.equal(on.app.held.length, 1));
    gateway.signal('SIGINT');
    await gateway.logLine(({ msg }) => msg === 'draining');
    let isOver = false;
    void gateway.exited.then(() => (isOver = true));
    await eventually(() => {
      gateway.signal('SIGINT');
      assert.ok(isOver);
    });
    assert.deepEqual(await gateway.exited, { code: 1, signal: null });
    await eventually(() => assert.ok(pids.every((pid) => !isAlive(pid))));
    on.app.release();
  });

  test('a primary that is killed leaves no worker behind', async () => {
    const gateway = await on.start({ workers: 2 });
    const pids = await workerPids(gateway, 2);
    gateway.signal('SIGKILL');
    await gateway.exited;
    await eventually(() => assert.ok(pids.every((pid) => !isAlive(pid))));
  });
});

test('an address that another gateway of several processes shares is taken: one clear sentence, exit 1', async () => {
  const first = await on.start({ workers: 2 });
  const port = first.proxyPort;
  const second = join(on.scene.directory, 'second.yaml');
  const listen = { proxy: `127.0.0.1:${port}`, ops: '127.0.0.1:0' };
  await writeFile(second, stringify({ version: 1, ...on.settings({ workers: 2, listen }) }));
  const { code, stderr } = await portcullis(['serve', '-c', second], { cwd: on.scene.directory });
  assert.equal(code, 1);
  assert.match(stderr, /^portcullis: cannot listen at 127\.0\.0\.1:\d+ \(EADDRINUSE\); set listen\.proxy to [^\n]*\n$/);
});

test('what is wrong with a configuration is said as with one process, exit 78', async () => {
  const said = await many(2, async (at) => {
    const file = join(on.scene.directory, `wrong-${at}.yaml`);
    const routes = { bare: { path: '/bare' } };
    await writeFile(file, stringify({ version: 1, ...on.settings({ workers: at + 1, upstreams: {}, routes }) }));
    const { code, stderr } = await portcullis(['serve', '-c', file], { cwd: on.scene.directory });
    assert.equal(code, 78);
    return stderr;
  });
  assert.match(said[0] ?? '', /^portcullis: route bare has no upstream; [^\n]*\n$/);
  assert.equal(said[1], said[0]);
});
