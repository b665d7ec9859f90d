import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, mkdtempSync, rmSync, openSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BoundedLines, type Outlet } from '../../src/record/bounded-lines.ts';
import { eventually } from '../support/acceptance-wait.ts';

/** An outlet whose reader takes a chunk only when it is told to. */
class SlowOutlet implements Outlet {
  taken = '';
  #take: (() => void) | undefined;

  write(chunk: Buffer, done: (error?: Error | null) => void): void {
    this.#take = () => {
      this.taken += chunk.toString();
      done();
    };
  }

  writeLast(): void {}

  /** Takes the next chunk, once it is offered. */
  async take(): Promise<void> {
    const take = await eventually(() => {
      assert.ok(this.#take, 'nothing is offered');
      return this.#take;
    });
    this.#take = undefined;
    take();
  }
}

const WRITER = new URL('../support/log-writer.ts', import.meta.url).pathname;

describe('log lines on their way out', () => {
  it('are written in order, many in one write', async () => {
    const outlet = new SlowOutlet();
    const lines = new BoundedLines(outlet);
    for (let at = 0; at < 100; at++) lines.write(`${at}\n`);
    await outlet.take();
    assert.equal(outlet.taken.split('\n').length, 101);
    assert.ok(outlet.taken.startsWith('0\n1\n2\n'));
    await lines.close(10);
  });

  it('wait for a blocked reader up to a bound, then are dropped and counted', async () => {
    const outlet = new SlowOutlet();
    const lines = new BoundedLines(outlet, 3_000);
    for (let at = 0; at < 1_000; at++) lines.write('0123456789\n');
    assert.equal(lines.dropped, 1_000 - Math.floor(3_000 / 11));
    await outlet.take();
    lines.write('fits again\n');
    await outlet.take();
    assert.ok(outlet.taken.endsWith('fits again\n'));
    await lines.close(10);
  });

  it('are dropped and counted where they cannot be written, and the next ones are tried again', async () => {
    let isFull = true;
    let taken = '';
    const outlet: Outlet = {
      write: (chunk, done) => {
        if (!isFull) taken += chunk.toString();
        setImmediate(() => done(isFull ? new Error('ENOSPC') : null));
      },
      writeLast: () => {},
    };
    const lines = new BoundedLines(outlet);
    lines.write('lost\n');
    await eventually(() => assert.equal(lines.dropped, 1));
    isFull = false;
    lines.write('kept\n');
    await lines.close(1_000);
    assert.equal(taken, 'kept\n');
  });

  it('are all out when the log is closed, and when the process exits without', () => {
    for (const ending of ['close', 'exit', 'throw']) {
      const { stdout } = spawnSync(process.execPath, [WRITER, '500', ending], { encoding: 'utf8' });
      assert.equal(stdout.trimEnd().split('\n').length, 500, ending);
    }
  });

  it('reach a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-log-'));
    try {
      const file = join(folder, 'out');
      const descriptor = openSync(file, 'a');
      spawnSync(process.execPath, [WRITER, '500', 'close'], { stdio: ['ignore', descriptor, 'inherit'] });
      spawnSync(process.execPath, [WRITER, '500', 'exit'], { stdio: ['ignore', descriptor, 'inherit'] });
      closeSync(descriptor);
      assert.equal(readFileSync(file, 'utf8').trimEnd().split('\n').length, 1_000);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('do not keep the process from going on and exiting when nobody reads', async () => {
    // A FIFO, as between two programs of a shell, and a socket, as under systemd.
    const withPipe = spawn(
      'sh',
      ['-c', '"$0" "$1" 50000 close | { read -r first; sleep 30; }', process.execPath, WRITER],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      },
    );
    const withSocket = spawn(process.execPath, [WRITER, '50000', 'close'], { stdio: ['ignore', 'pipe', 'pipe'] });
    withSocket.stdout.pause();
    const exit = once(withSocket, 'exit', { signal: AbortSignal.timeout(15_000) });
    const said = [withPipe, withSocket].map(({ stderr }) =>
      once(stderr, 'data', { signal: AbortSignal.timeout(15_000) }),
    );
    try {
      for (const [text] of await Promise.all(said)) {
        const dropped = Number(/dropped (\d+)/.exec(String(text))?.[1]);
        assert.ok(dropped > 10_000, String(text));
      }
      assert.deepEqual(await exit, [0, null]);
    } finally {
      process.kill(-withPipe.pid!, 'SIGKILL');
      withSocket.kill('SIGKILL');
    }
  });
});
