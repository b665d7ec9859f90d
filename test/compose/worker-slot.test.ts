// The place of one worker is held by a process that answers: one that ends or hangs is replaced.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, it } from 'node:test';
import type { Assignment } from '../../src/compose/worker-messages.ts';
import { WorkerSlot } from '../../src/compose/worker-slot.ts';
import { createLog } from '../../src/record/log.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { KeptLines } from '../support/kept-lines.ts';
import { own } from '../support/own-process.ts';

const PRETENDER = new URL('../support/pretend-worker.ts', import.meta.url);

describe('the place of a worker', () => {
  let slot: WorkerSlot;
  let kept: KeptLines;
  let processes: ChildProcess[];

  afterEach(async () => {
    slot.kill();
    await Promise.all(
      processes.map(async (child) => child.exitCode ?? child.signalCode ?? (await once(child, 'exit'))),
    );
  });

  /** One process after the other behaves as told; the last manner holds for all that follow. */
  function open(...manners: string[]): WorkerSlot {
    kept = new KeptLines();
    processes = [];
    let spawned = 0;
    slot = new WorkerSlot({
      worker: 1,
      log: createLog({ level: 'info', destination: kept }),
      spawn: () => {
        const manner = manners[Math.min(spawned++, manners.length - 1)] ?? '';
        if (manner === 'impossible') throw new Error('spawn ENOMEM');
        const child = own(fork(PRETENDER, [manner], { serialization: 'advanced' }));
        processes.push(child);
        return child;
      },
      assignment: () => ({ worker: 1, host: '127.0.0.1', port: 1 }) as Assignment,
      onSnapshot: () => {},
      onEnd: () => {},
      onNews: () => {},
      pulseMs: 50,
    });
    return slot;
  }

  const said = (msg: string) => kept.lines.filter((line) => line['msg'] === msg);

  it('a process that hangs is said to be silent, ended, and replaced by one that answers', async () => {
    const { started } = open('hang', 'serve');
    await started;
    await eventually(() => assert.equal(slot.isRunning, false));
    assert.deepEqual(await slot.readiness(0), { fault: 'it does not answer', storeFault: null });
    await eventually(() => assert.equal(said('worker started').length, 2));
    await eventually(async () => assert.deepEqual(await slot.readiness(0), { fault: null, storeFault: null }));
    assert.equal(said('a worker does not answer').length, 1);
    assert.equal(said('a worker is ended')[0]?.['reason'], 'it does not answer');
    assert.equal(processes[0]?.signalCode, 'SIGKILL');
    assert.equal(slot.restarts, 1);
  });

  it('processes that die again and again at their start are replaced later and later', async () => {
    const { started } = open('serve', 'die');
    await started;
    processes[0]?.kill('SIGKILL');
    await eventually(() => assert.ok(said('a worker ended; another takes its place').length >= 5));
    const pauses = said('a worker ended; another takes its place').map(({ inMs }) => inMs);
    assert.deepEqual(pauses.slice(0, 5), [0, 100, 200, 400, 800]);
    assert.equal(said('a worker ended; another takes its place')[1]?.['how'], 7);
  });

  it('where the system makes no process, that is said, and it is asked again', async () => {
    const { started } = open('serve', 'impossible', 'impossible', 'serve');
    await started;
    processes[0]?.kill('SIGKILL');
    await eventually(() => assert.equal(said('worker started').length, 2));
    const hows = said('a worker ended; another takes its place').map(({ how, pid }) => [how, pid]);
    assert.deepEqual(hows, [
      ['SIGKILL', processes[0]?.pid],
      ['spawn ENOMEM', undefined],
      ['spawn ENOMEM', undefined],
    ]);
    assert.deepEqual(await slot.readiness(0), { fault: null, storeFault: null });
  });

  it('a gateway ends while the system makes no process for it', async () => {
    const { started } = open('serve', 'impossible');
    await started;
    processes[0]?.kill('SIGKILL');
    await eventually(() => assert.ok(said('a worker ended; another takes its place').length >= 2));
    assert.equal(await slot.drain(5_000), true);
    await assert.rejects(open('impossible').started, {
      name: 'UserFault',
      message: /ended while it started \(spawn ENOMEM\)/,
    });
    assert.equal(await slot.drain(5_000), true);
  });

  it('a first process that cannot start is not replaced: the reason is for who starts the gateway', async () => {
    await assert.rejects(open('refuse').started, { name: 'UserFault', exitCode: 1, message: /^cannot listen; choose/ });
    await eventually(() => assert.equal(processes[0]?.exitCode, 1));
    await assert.rejects(open('die').started, { name: 'UserFault', message: /ended while it started \(7\)/ });
    assert.equal(processes.length, 1);
    assert.deepEqual(kept.lines, []);
  });

  it('one that is told to finish does, and none takes its place', async () => {
    const { started } = open('serve');
    await started;
    assert.equal(await slot.drain(5_000), true);
    assert.equal(processes.length, 1);
  });

  it('one that hangs while it should finish is ended at the bound', async () => {
    const { started } = open('hang');
    await started;
    assert.equal(await slot.drain(100), false);
    assert.equal(processes[0]?.signalCode, 'SIGKILL');
  });
});
