// Log lines of other processes on this one's standard output. Each comes through a pipe of its own and is
// passed on in chunks of whole lines, so that no line ever stands within another's. While the reader is slow
// nothing more is read: the lines wait where they are made, within the bound there.
import type { Readable } from 'node:stream';
import { BOUNDS } from '../core/bounds.ts';
import type { Outlet } from './bounded-lines.ts';

/** Passes on what comes, and resolves at its end. A line without an end, as of a process that was killed, is left out. */
export async function passLines(source: Readable, outlet: Outlet): Promise<void> {
  let unfinished: Buffer = NOTHING;
  try {
    for await (const read of source as AsyncIterable<Buffer>) {
      // Most chunks end where a line does, and are passed on as they are.
      const chunk = unfinished.length === 0 ? read : Buffer.concat([unfinished, read]);
      const end = chunk.lastIndexOf(LINE_END) + 1;
      if (end > 0) await written(outlet, chunk.subarray(0, end));
      unfinished = chunk.length - end > BOUNDS.logBufferBytes ? NOTHING : chunk.subarray(end);
    }
  } catch {
    // The pipe broke with its process; there is nothing more to read.
  }
}

const LINE_END = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Resolves when the chunk was taken, or lost: a reader that is gone is the outlet's business. */
function written(outlet: Outlet, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => outlet.write(chunk, () => resolve()));
}
