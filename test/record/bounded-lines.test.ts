import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoundedLines, type Outlet } from '../../src/record/bounded-lines.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';

/** An outlet that takes every chunk in a later turn, but none while it is blocked. */
class Reader implements Outlet {
  readonly chunks: string[] = [];
  #isBlocked = false;
  #waiting: (() => void) | undefined;

  write(chunk: Buffer, done: () => void): void {
    const take = (): void => {
      this.chunks.push(chunk.toString());
      done();
    };
    if (this.#isBlocked) this.#waiting = take;
    else setImmediate(take);
  }

  writeLast(chunk: Buffer): void {
    this.chunks.push(chunk.toString());
  }

  block(): void {
    this.#isBlocked = true;
  }

  release(): void {
    this.#isBlocked = false;
    const take = this.#waiting;
    this.#waiting = undefined;
    take?.();
  }
}

describe('log lines in chunks', () => {
  it('are whole in every chunk, none of which is larger than the bound', async () => {
    const { seed, below } = seededNumbers();
    const reader = new Reader();
    const lines = new BoundedLines(reader, 10_000_000, 1_000);
    const written = Array.from({ length: 3_000 }, (_, at) => `${at} ${'é€x'[below(3)]!.repeat(below(300))}\n`);
    for (const [at, line] of written.entries()) {
      lines.write(line);
      if (at % 7 === 0) await new Promise(setImmediate);
    }
    await lines.close(5_000);
    assert.equal(reader.chunks.join(''), written.join(''), seed);
    for (const chunk of reader.chunks) {
      assert.ok(chunk.endsWith('\n'), seed);
      assert.ok(Buffer.byteLength(chunk) <= 1_000, seed);
    }
    assert.ok(reader.chunks.length < 1_500, 'many in one write');
  });

  it('that are longer than a chunk go out by themselves', async () => {
    const reader = new Reader();
    const lines = new BoundedLines(reader, 100_000, 100);
    const long = `${'ü'.repeat(500)}\n`;
    for (const line of ['a\n', long, 'b\n', 'c\n', long]) lines.write(line);
    await lines.close(5_000);
    assert.deepEqual(reader.chunks, ['a\n', long, 'b\nc\n', long]);
    assert.equal(lines.dropped, 0);
  });

  it('fill what may wait to the byte, and what has gone out makes room again', async () => {
    const reader = new Reader();
    reader.block();
    const lines = new BoundedLines(reader, 1_000, 100);
    const line = 'ü€-line..\n';
    const fits = Math.floor(1_000 / Buffer.byteLength(line));
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 500; at++) lines.write(line);
      assert.equal(lines.dropped, (round + 1) * (500 - fits));
      await new Promise(setImmediate);
      reader.release();
      while (reader.chunks.join('').length < (round + 1) * fits * line.length) await new Promise(setImmediate);
      await new Promise(setImmediate);
      reader.block();
    }
    reader.release();
    await lines.close(5_000);
    assert.equal(reader.chunks.join(''), line.repeat(3 * fits));
  });

  it('that are written while the log is closed or later are dropped and counted', async () => {
    const reader = new Reader();
    const lines = new BoundedLines(reader);
    lines.write('in time\n');
    const closed = lines.close(5_000);
    lines.write('too late\n');
    await closed;
    assert.deepEqual(reader.chunks, ['in time\n']);
    assert.equal(lines.dropped, 1);
  });

  it('do not keep the log from closing where nobody reads', async () => {
    const reader = new Reader();
    reader.block();
    const lines = new BoundedLines(reader);
    lines.write('never taken\n');
    await lines.close(20);
    assert.deepEqual(reader.chunks, []);
  });
});
