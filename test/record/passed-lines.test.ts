import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import type { Outlet } from '../../src/record/bounded-lines.ts';
import { passLines } from '../../src/record/passed-lines.ts';

/** Keeps the chunks that it is given; takes them when it is told to. */
class Chunks implements Outlet {
  readonly taken: string[] = [];
  isSlow = false;
  take: () => void = () => {};

  write(chunk: Buffer, done: () => void): void {
    this.taken.push(chunk.toString());
    if (this.isSlow) this.take = done;
    else done();
  }

  writeLast(): void {}
}

describe('lines of other processes', () => {
  it('are passed on whole, however they are cut', async () => {
    const chunks = new Chunks();
    const sources = [new PassThrough(), new PassThrough()];
    const ended = sources.map((source) => passLines(source, chunks));
    const text = Array.from({ length: 50 }, (_, at) => `{"line":${at},"text":"${'ü'.repeat(at)}"}\n`).join('');
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 7) {
      for (const source of sources) source.write(bytes.subarray(at, at + 7));
      await new Promise(setImmediate);
    }
    for (const source of sources) source.end();
    await Promise.all(ended);
    assert.ok(chunks.taken.every((chunk) => chunk.endsWith('\n')));
    const lines = chunks.taken.join('').trimEnd().split('\n');
    assert.deepEqual(lines.toSorted(), [...text.trimEnd().split('\n'), ...text.trimEnd().split('\n')].toSorted());
  });

  it('a line without an end, as of a process that was killed, is left out', async () => {
    const chunks = new Chunks();
    const source = new PassThrough();
    const ended = passLines(source, chunks);
    source.end('{"whole":1}\n{"broken":');
    await ended;
    assert.deepEqual(chunks.taken, ['{"whole":1}\n']);
  });

  it('wait where they are made while the reader is slow', async () => {
    const chunks = new Chunks();
    chunks.isSlow = true;
    const source = new PassThrough({ highWaterMark: 100 });
    const ended = passLines(source, chunks);
    let isFull = false;
    for (let at = 0; at < 100 && !isFull; at++) {
      isFull = !source.write(`{"line":${at}}\n`);
      await new Promise(setImmediate);
    }
    assert.ok(isFull);
    assert.equal(chunks.taken.length, 1);
    chunks.isSlow = false;
    chunks.take();
    source.end();
    await ended;
    assert.ok(chunks.taken.length > 1);
  });

  it('a pipe that breaks ends them without a fault', async () => {
    const source = new PassThrough();
    const ended = passLines(source, new Chunks());
    source.destroy(new Error('ECONNRESET'));
    await ended;
  });
});
