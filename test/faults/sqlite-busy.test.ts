// SQLite held by somebody else for longer than the store's timeout: known keys pass, what has to be written fails
// closed, a change of a key is told to have failed, and all is well once the lock is gone.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { portcullis } from '../support/acceptance-cli.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { found } from '../support/findings.ts';

const LIMITED = { path: '/limited', upstream: 'app', limits: { calls: { requests: 100_000, per: '1h', by: 'key' } } };

let on: FaultScene;
before(async () => {
  on = await FaultScene.open({ routes: { limited: LIMITED } });
});
after(() => on.close());

/** Holds the write lock of one of the store's files while `work` runs. */
async function locked(suffix: string, work: () => Promise<void>): Promise<void> {
  const intruder = new DatabaseSync(`${on.scene.store.file}${suffix}`);
  intruder.exec('BEGIN EXCLUSIVE');
  try {
    await work();
  } finally {
    intruder.exec('ROLLBACK');
    intruder.close();
  }
}

describe('another process holds BEGIN EXCLUSIVE', () => {
  test("on the keys' file: requests pass, a change of a key fails clearly and is lost to nobody", async (t) => {
    const load = on.load();
    let said = '';
    await locked('', async () => {
      const end = await portcullis(['keys', 'create', 'meanwhile', '-c', on.gateway.configFile], {
        cwd: on.scene.directory,
      });
      assert.equal(end.code, 1, end.stdout);
      assert.equal(end.stdout, '');
      assert.match(end.stderr, /^portcullis: [^\n]*locked[^\n]*another process holds its lock[^\n]*\n$/);
      said = end.stderr.trim().replaceAll(`${on.scene.directory}/`, '');
    });
    const { statuses, strangers, failures } = await load.stop();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.deepEqual([...strangers.keys()], [401]);
    assert.deepEqual(failures, []);
    await on.scene.run(on.gateway, 'keys', 'create', 'meanwhile');
    found(t, {
      promise: 7,
      tried: "SQLite: another process holds BEGIN EXCLUSIVE on the keys' file for longer than store.timeout",
      promised: 'requests are decided as before; a change of a key exits 1 with the cause and the cure',
      seen: `answers ${countsText(statuses)}; strangers ${countsText(strangers)}; the change said: ${said}; ${await on.assertUnharmed()}`,
    });
  });

  test("on the limits' file: 503 where a limit has to be counted, all else passes, and it recovers", async (t) => {
    const load = on.load();
    const started = performance.now();
    await locked('-limits', async () => {
      // What is held ahead of the store is spent first.
      await eventually(async () => assert.equal((await on.ask('/limited')).status, 503), { withinMs: 15_000 });
      const answer = await on.ask('/limited');
      assertProblem(answer, 503, 'store_unavailable');
      assert.equal(answer.header('retry-after'), '1');
      // Nobody else waits for the lock with those who need it.
      const before = load.answered;
      await eventually(() => assert.ok(load.answered > before + 100), { withinMs: 15_000 });
    });
    const heldMs = performance.now() - started;
    const releasedAt = performance.now();
    await eventually(async () => assert.equal((await on.ask('/limited')).status, 200));
    const recoveredMs = performance.now() - releasedAt;
    const { statuses, strangers, failures } = await load.stop();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.deepEqual([...strangers.keys()], [401]);
    assert.deepEqual(failures, []);
    found(t, {
      promise: 7,
      tried: `SQLite: another process holds BEGIN EXCLUSIVE on the limits' file (${Math.round(heldMs)} ms)`,
      promised: 'limits fail closed: 503 store_unavailable; requests without a limit pass; recovery within 2 s',
      seen: `503 on the limited route; others ${countsText(statuses)}, strangers ${countsText(strangers)}; recovered in ${Math.round(recoveredMs)} ms; ${await on.assertUnharmed()}`,
    });
  });
});
