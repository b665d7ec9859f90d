// What becomes of the SQLite store's file: its disk is full or read-only, its bytes are damaged. A key is never
// unknown because of it, no acknowledged change is lost, and what went wrong is said with its cure.
import assert from 'node:assert/strict';
import { cpSync, openSync, statSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { openManagement, type Management } from '../../src/compose/management.ts';
import { StoreFault } from '../../src/core/fault.ts';
import { environment, portcullis } from '../support/acceptance-cli.ts';
import { send } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { found } from '../support/findings.ts';
import { SmallDisk } from '../support/small-disk.ts';

const LIMITED = { path: '/limited', upstream: 'app', limits: { calls: { requests: 1_000, per: '1h', by: 'key' } } };
const DISK_BYTES = 3 * 1024 * 1024;

/** Every page of the file as SQLite sees it. */
function integrity(file: string): unknown {
  const db = new DatabaseSync(file);
  try {
    return db.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
  } finally {
    db.close();
  }
}

/** Makes keys until the store refuses one; gives those that it acknowledged, and the refusal. */
async function createUntilRefused({ keys }: Management): Promise<{ ids: string[]; refusal: Error }> {
  const ids: string[] = [];
  for (;;) {
    assert.ok(ids.length < 5_000, 'the disk is never full');
    try {
      ids.push((await keys.create({ grants: { owner: 'acme' } })).record.id);
    } catch (error) {
      return { ids, refusal: error as Error };
    }
  }
}

test('the disk is full: known keys pass, limits fail closed, changes of keys fail clearly and lose nothing', async (t) => {
  const mounted: (SmallDisk | string)[] = [];
  const on = await FaultScene.open({
    routes: { limited: LIMITED },
    own: ({ directory }) => {
      mounted.push(SmallDisk.mount(join(directory, 'disk'), DISK_BYTES));
      return { store: { url: `sqlite:${join(directory, 'disk', 'portcullis.db')}` } };
    },
  });
  try {
    const [disk] = mounted;
    if (!(disk instanceof SmallDisk)) return t.skip(disk);
    on.scene.onClose(() => Promise.resolve(disk.unmount()));
    const file = join(disk.directory, 'portcullis.db');
    const management = await openManagement({ file: on.gateway.configFile, env: environment(), warn: () => {} });
    on.scene.onClose(() => management.close());
    const load = on.load();
    const earlier: string[] = [];
    while (earlier.length < 30) earlier.push((await management.keys.create({ grants: { owner: 'acme' } })).record.id);
    disk.fill();
    const { ids: meanwhile, refusal } = await createUntilRefused(management);
    const ids = [...earlier, ...meanwhile];
    assert.ok(refusal instanceof StoreFault);
    assert.match(refusal.message, /full; its disk is full: make room/);
    await eventually(async () => assertProblem(await on.ask('/limited'), 503, 'store_unavailable'), {
      withinMs: 15_000,
      everyMs: 1,
    });
    const before = load.answered;
    await eventually(() => assert.ok(load.answered > before + 50), { withinMs: 15_000 });
    disk.makeRoom();
    const roomAt = performance.now();
    await eventually(async () => assert.equal((await on.ask('/limited')).status, 200));
    const recoveredMs = performance.now() - roomAt;
    ids.push((await management.keys.create({ grants: { owner: 'acme' } })).record.id);
    for (const id of ids) assert.equal((await management.keys.get(id)).id, id);
    assert.equal(integrity(file), 'ok');
    const { statuses, strangers, failures } = await load.stop();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.deepEqual([...strangers.keys()], [401]);
    assert.deepEqual(failures, []);
    found(t, {
      promise: 9,
      tried: 'SQLite: the disk is full (a tmpfs of 3 MiB, filled to the last byte), then there is room again',
      promised:
        'known keys pass; limits answer 503; a change of a key fails with the cause and the cure; no acknowledged change is lost; recovery within 2 s',
      seen: `answers ${countsText(statuses)}, strangers ${countsText(strangers)}; the change said: ${refusal.message}; ${ids.length} of ${ids.length} acknowledged keys are there, integrity_check ok; recovered in ${Math.round(recoveredMs)} ms; ${await on.assertUnharmed()}`,
    });
  } finally {
    await on.close();
  }
});

describe('at start', () => {
  test('a store that cannot be used is refused in one sentence with its cure', async (t) => {
    const on = await FaultScene.open();
    try {
      const said: string[] = [];
      await on.gateway.stop();
      const whole = on.scene.store.file as string;
      const serve = async (name: string, cure: RegExp): Promise<void> => {
        await on.gateway.reconfigure({ ...on.settings, store: { url: `sqlite:${name}` } });
        const end = await portcullis(['serve', '-c', on.gateway.configFile], { cwd: on.scene.directory });
        assert.equal(end.code, 1, end.stderr);
        assert.match(end.stderr, /^portcullis: The SQLite store [^\n]*\n$/);
        assert.match(end.stderr, cure);
        said.push(end.stderr.trim().replaceAll(`${on.scene.directory}/`, ''));
      };
      cpSync(whole, `${whole}.damaged`);
      damage(`${whole}.damaged`, 0);
      await serve(`${whole}.damaged`, /put the last backup in its place/);
      const disk = SmallDisk.mount(join(on.scene.directory, 'disk'), DISK_BYTES);
      if (disk instanceof SmallDisk) {
        on.scene.onClose(() => Promise.resolve(disk.unmount()));
        cpSync(whole, join(disk.directory, 'portcullis.db'));
        disk.fill();
        await serve(join(disk.directory, 'portcullis.db'), /make room|not full/);
        disk.makeRoom();
        disk.makeReadOnly();
        await serve(join(disk.directory, 'portcullis.db'), /writable/);
      } else t.diagnostic(disk);
      found(t, {
        promise: 7,
        tried: 'SQLite at start: a damaged file, a full disk, a read-only disk',
        promised: 'exit 1 with one sentence: the cause and the cure; never taken for an empty store',
        seen: said.join(' '),
      });
    } finally {
      await on.close();
    }
  });
});

test('the file is damaged while it is used: a key that is not cached is 503, never unknown', async (t) => {
  const on = await FaultScene.open();
  try {
    const file = on.scene.store.file as string;
    const cold = (at: number): string => `a-key-that-was-never-asked-for-${String(at).padStart(6, '0')}`;
    const keys = Array.from({ length: 3_000 }, (_, at) => ({ id: `cold-${at}`, owner: 'acme', secret: cold(at) }));
    await on.scene.importKeys(on.gateway, keys);
    // A look-up that a change overtakes is not kept.
    await eventually(async () => {
      await on.ask();
      assert.ok((await on.gateway.metrics()).sum('portcullis_key_cache_events_total', { event: 'hit' }) > 0);
    });
    const other = new DatabaseSync(file);
    other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    damage(file, 2 * 4096);
    other.close();
    const statuses = new Map<number, number>();
    for (let at = 0; at < 200; at++) {
      const { status } = await send(on.gateway.proxyPort, {
        target: '/things/x',
        headers: { 'X-Api-Key': cold(at * 15) },
      });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    assert.equal(statuses.get(401) ?? 0, 0, countsText(statuses));
    assert.ok((statuses.get(503) ?? 0) > 0, countsText(statuses));
    assert.equal(on.unauthorised, 0);
    assert.equal((await on.ask()).status, 200, 'a key that is known and fresh');
    const warned = await on.gateway.logLine(
      (line) => line['msg'] !== 'request' && /damaged|malformed|written over/.test(JSON.stringify(line)),
    );
    assert.match(JSON.stringify(warned), /put the last backup in its place|bring the known store back/);
    found(t, {
      promise: 7,
      tried:
        'SQLite: every page but the first two of the file is overwritten while the gateway runs; 200 keys that are not cached',
      promised: '503 store_unavailable, never 401: damage is not emptiness; a log line with the cure',
      seen: `answers ${countsText(statuses)}; known keys pass; the log says: ${String(warned['msg'])}`,
    });
  } finally {
    await on.close();
  }
});

/** Overwrites all from an offset on. */
function damage(file: string, from: number): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.alloc(statSync(file).size - from, 0xff), 0, undefined, from);
  closeSync(descriptor);
}
