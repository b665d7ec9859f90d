// Lines on their way to a slow reader. They are written into chunks as they come, so that no turn of the event
// loop has more than one chunk to encode or to hand over; what has to wait is bounded, and above that lines are
// dropped and counted.
import { BOUNDS } from '../core/bounds.ts';

/** Writes one chunk and says when it has been taken, or why it was not. */
export interface Outlet {
  /** Whole lines; the chunk may be written over once `done` was called. */
  write(chunk: Buffer, done: (error?: Error | null) => void): void;
  /** A last attempt that must not wait, when the process exits. */
  writeLast(chunk: Buffer): void;
}

/** Lines in front of an outlet: one chunk is on its way, the rest waits. */
export class BoundedLines {
  readonly #outlet: Outlet;
  readonly #mostBytes: number;
  readonly #chunkBytes: number;
  readonly #onExit = () => this.#writeLast();
  /** Chunks that no further line goes into. */
  readonly #full = new Set<Chunk>();
  #filling: Chunk;
  #sending: Chunk | undefined;
  /** The buffer of a chunk that has gone out. */
  #spare: Buffer | undefined;
  /** Of all lines that have not gone out yet. */
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #isClosed = false;
  #onIdle: (() => void) | undefined;
  dropped = 0;

  /**
   * @param mostBytes what may wait and be on its way together
   * @param chunkBytes what goes out in one write; a line that is longer goes out by itself
   */
  constructor(outlet: Outlet, mostBytes: number = BOUNDS.logBufferBytes, chunkBytes: number = BOUNDS.logChunkBytes) {
    this.#outlet = outlet;
    this.#mostBytes = mostBytes;
    this.#chunkBytes = chunkBytes;
    this.#filling = this.#newChunk();
    process.on('exit', this.#onExit);
  }

  write(line: string): void {
    // Three bytes a character is the most that UTF-8 takes; counting exactly costs a pass over the line.
    let bytes = line.length * 3;
    if (this.#filling.end + bytes > this.#chunkBytes || this.#heldBytes + bytes > this.#mostBytes) {
      bytes = Buffer.byteLength(line);
    }
    if (this.#isClosed || this.#heldBytes + bytes > this.#mostBytes) {
      this.dropped++;
      return;
    }
    this.#append(line, bytes);
    if (this.#sending === undefined) this.#schedule();
  }

  async close(withinMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#heldBytes > 0) {
      const idle = this.#idle(withinMs);
      this.#send();
      await idle;
    }
    process.off('exit', this.#onExit);
  }

  /** @param mostBytes what the line may take */
  #append(line: string, mostBytes: number): void {
    if (this.#filling.end > 0 && this.#filling.end + mostBytes > this.#filling.buffer.length) {
      this.#full.add(this.#filling);
      this.#filling = this.#newChunk();
    }
    const chunk = this.#filling;
    if (mostBytes > chunk.buffer.length) chunk.buffer = Buffer.allocUnsafeSlow(mostBytes);
    const bytes = chunk.buffer.write(line, chunk.end);
    chunk.end += bytes;
    chunk.lines++;
    this.#heldBytes += bytes;
  }

  /** A write costs more than all lines in it, so a chunk that is not full waits a little for more. */
  #schedule(): void {
    if (this.#full.size === 0) {
      this.#timer ??= setTimeout(() => this.#send(), BOUNDS.logDelayMs);
    } else if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(() => this.#send());
    }
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
    if (this.#sending !== undefined) return;
    const chunk = this.#next();
    if (chunk === undefined) {
      this.#onIdle?.();
      return;
    }
    this.#sending = chunk;
    this.#outlet.write(chunk.buffer.subarray(0, chunk.end), (error) => {
      if (error) this.dropped += chunk.lines;
      this.#sending = undefined;
      this.#heldBytes -= chunk.end;
      if (chunk.buffer.length === this.#chunkBytes) this.#spare = chunk.buffer;
      if (this.#isClosed || this.#full.size > 0) this.#send();
      else if (this.#heldBytes > 0) this.#schedule();
    });
  }

  #next(): Chunk | undefined {
    for (const chunk of this.#full) {
      this.#full.delete(chunk);
      return chunk;
    }
    if (this.#filling.end === 0) return undefined;
    const chunk = this.#filling;
    this.#filling = this.#newChunk();
    return chunk;
  }

  #newChunk(): Chunk {
    const buffer = this.#spare ?? Buffer.allocUnsafeSlow(this.#chunkBytes);
    this.#spare = undefined;
    return { buffer, end: 0, lines: 0 };
  }

  #idle(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #writeLast(): void {
    for (let chunk = this.#next(); chunk !== undefined; chunk = this.#next()) {
      this.#outlet.writeLast(chunk.buffer.subarray(0, chunk.end));
    }
  }
}

/** Whole lines, up to `end`. */
interface Chunk {
  buffer: Buffer;
  end: number;
  lines: number;
}
