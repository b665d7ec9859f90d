// Standard output breaks: its reader goes away, its disk is full. Requests are answered all the same, what is lost is
// counted, and lines come again once they can. (A reader that does not read: test/acceptance/log-output.test.ts.)
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { Fifo } from '../support/fifo.ts';
import { found } from '../support/findings.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { SmallDisk } from '../support/small-disk.ts';

const dropped = async (on: FaultScene): Promise<number> =>
  (await on.gateway.metrics()).sum('portcullis_log_dropped_total');

describe('standard output breaks', { concurrency: true }, () => {
  test('the reader of the log goes away (EPIPE): requests are answered, every lost line is counted', async (t) => {
    await using directory = await makeTempDir();
    const fifo = await Fifo.open(directory.path);
    const on = await FaultScene.open({ gateway: { stdout: fifo.writer } });
    try {
      fifo.close();
      const load = on.load();
      await eventually(() => assert.ok(load.answered > 200), { withinMs: 15_000 });
      const { statuses, failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.deepEqual([...statuses.keys()], [200]);
      let lines = 0;
      await eventually(async () => assert.ok((lines = await dropped(on)) >= 200));
      const unharmed = await on.assertUnharmed();
      assert.equal((await on.gateway.stop()).code, 0);
      found(t, {
        promise: 7,
        tried: 'the reader of standard output goes away (EPIPE) under load',
        promised: 'requests are answered; lost lines are counted in portcullis_log_dropped_total; exit 0',
        seen: `${countsText(statuses)}, 0 failed; ${lines} lines counted; ${unharmed}`,
      });
    } finally {
      await on.close();
    }
  });

  test('the disk of the log is full: requests are answered, lost lines are counted, and later ones are written', async (t) => {
    await using directory = await makeTempDir();
    const disk = SmallDisk.mount(join(directory.path, 'disk'), 256 * 1024);
    if (!(disk instanceof SmallDisk)) return t.skip(disk);
    try {
      const file = join(disk.directory, 'log');
      const descriptor = openSync(file, 'a');
      const on = await FaultScene.open({ gateway: { stdout: descriptor } });
      closeSync(descriptor);
      try {
        disk.fill();
        const load = on.load();
        let lines = 0;
        await eventually(async () => assert.ok((lines = await dropped(on)) > 50), { withinMs: 15_000 });
        disk.makeRoom();
        const later = load.answered;
        await eventually(() => assert.ok(load.answered > later + 50), { withinMs: 15_000 });
        const { statuses, failures } = await load.stop();
        assert.deepEqual(failures, []);
        assert.deepEqual([...statuses.keys()], [200]);
        const unharmed = await on.assertUnharmed();
        assert.equal((await on.gateway.stop()).code, 0);
        const text = readFileSync(file, 'utf8');
        assert.match(text, /"msg":"stopped"[^\n]*\n$/, 'lines are written again');
        found(t, {
          promise: 7,
          tried: 'the disk that standard output goes to is full (a tmpfs), then has room again',
          promised: 'requests are answered; lost lines are counted; lines are written once there is room',
          seen: `${countsText(statuses)}, 0 failed; ${lines} or more lines counted; the last line is written; ${unharmed}`,
        });
      } finally {
        await on.close();
      }
    } finally {
      disk.unmount();
    }
  });
});
