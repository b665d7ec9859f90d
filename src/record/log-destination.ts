// Where log lines go: standard output, in order, without ever holding up requests. Lines wait in memory
// while their reader is slow, up to a bound; above it they are dropped and counted.
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';

/** Takes log lines, each with its line end. */
export interface LogDestination {
  write(line: string): void;
  /** Lines that were dropped since the start. */
  readonly dropped: number;
  /** Resolves when all that waits is written, or after `withinMs`, and takes no more lines. */
  close(withinMs: number): Promise<void>;
}

/** Writes one chunk and says when it has been taken, or why it was not. */
export interface Outlet {
  write(chunk: Buffer, done: (error?: Error | null) => void): void;
  /** A last attempt that must not wait, when the process exits. */
  writeLast(chunk: Buffer): void;
}

/** Opens standard output; also writes what waits when the process exits without closing. */
export function openStandardOutput(): LogDestination {
  return new BoundedLines(standardOutletOfProcess());
}

/**
 * Opens standard output where it leads to another process of ours: it is written every few milliseconds, because
 * each write wakes that process, which costs more than the lines do.
 */
export function openPacedOutput(): LogDestination {
  return new BoundedLines(paced(standardOutletOfProcess(), BOUNDS.logPauseMs));
}

function paced(outlet: Outlet, pauseMs: number): Outlet {
  return {
    write: (chunk, done) => outlet.write(chunk, (error) => setTimeout(done, pauseMs, error)),
    writeLast: (chunk) => outlet.writeLast(chunk),
  };
}

/** The one outlet to standard output, which all writers of this process share; chunks come out in their order. */
export function standardOutletOfProcess(): Outlet {
  return (standardOutput ??= openOutlet(STDOUT));
}

/** Lines in front of an outlet: one chunk is on its way, the rest waits. */
export class BoundedLines implements LogDestination {
  readonly #outlet: Outlet;
  readonly #mostBytes: number;
  readonly #onExit = () => this.#writeLast();
  #waiting: string[] = [];
  #waitingBytes = 0;
  #sendingLines = 0;
  #isScheduled = false;
  #isClosed = false;
  #onIdle: (() => void) | undefined;
  dropped = 0;

  constructor(outlet: Outlet, mostBytes: number = BOUNDS.logBufferBytes) {
    this.#outlet = outlet;
    this.#mostBytes = mostBytes;
    process.on('exit', this.#onExit);
  }

  write(line: string): void {
    // Three bytes a character is the most that UTF-8 takes; counting exactly would cost a pass over each line.
    const bytes = line.length * 3;
    if (this.#isClosed || this.#waitingBytes + bytes > this.#mostBytes) {
      this.dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
    if (this.#sendingLines > 0 || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#send());
  }

  async close(withinMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#sendingLines > 0 || this.#waiting.length > 0) await this.#idle(withinMs);
    process.off('exit', this.#onExit);
  }

  /** Lines of one turn of the event loop, or of the time the last chunk took, go out in one write. */
  #send(): void {
    this.#isScheduled = false;
    const lines = this.#waiting;
    if (lines.length === 0) {
      this.#onIdle?.();
      return;
    }
    this.#waiting = [];
    this.#sendingLines = lines.length;
    this.#outlet.write(Buffer.from(lines.join('')), (error) => {
      if (error) this.dropped += lines.length;
      this.#sendingLines = 0;
      this.#waitingBytes = this.#waiting.reduce((sum, line) => sum + line.length * 3, 0);
      this.#send();
    });
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
    if (this.#waiting.length > 0) this.#outlet.writeLast(Buffer.from(this.#waiting.join('')));
    this.#waiting = [];
  }
}

const STDOUT = 1;
/** One a process: a second socket on the same descriptor would take the first one's events. */
let standardOutput: Outlet | undefined;

/**
 * Pipes and sockets are written without blocking. `fs.write` would block a thread behind a reader that does
 * not read, and with it the exit of the process; `process.stdout` would block the event loop.
 */
function openOutlet(descriptor: number): Outlet {
  const kind = fstatSync(descriptor);
  if (kind.isFIFO()) return socketOutlet(ownPipeEnd(descriptor));
  return kind.isSocket() ? socketOutlet(descriptor) : fileOutlet(descriptor);
}

/**
 * A description of the pipe that is not shared with other processes, so that making it non-blocking does not
 * surprise them. Where the system has no such thing, the shared one.
 */
function ownPipeEnd(descriptor: number): number {
  try {
    const own = openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
    if (fstatSync(own).isFIFO()) return own;
    closeSync(own);
    return descriptor;
  } catch {
    return descriptor;
  }
}

function socketOutlet(descriptor: number): Outlet {
  const socket = new Socket({ fd: descriptor, readable: false, writable: true });
  // Each write reports its own failure; without a listener the event would end the process.
  socket.on('error', () => {});
  return {
    write: (chunk, done) => {
      socket.write(chunk, done);
    },
    writeLast: (chunk) => attemptWrite(descriptor, chunk),
  };
}

/** Files and terminals. A full disk costs lines, and the next line tries again. */
function fileOutlet(descriptor: number): Outlet {
  return {
    write: (chunk, done) => writeAll(descriptor, chunk, done),
    writeLast: (chunk) => attemptWrite(descriptor, chunk),
  };
}

function writeAll(descriptor: number, chunk: Buffer, done: (error?: Error | null) => void): void {
  write(descriptor, chunk, (error, written) => {
    if (error === null && written < chunk.length) writeAll(descriptor, chunk.subarray(written), done);
    else done(error);
  });
}

function attemptWrite(descriptor: number, chunk: Buffer): void {
  try {
    writeSync(descriptor, chunk);
  } catch {
    // The process is exiting, and whoever should read does not.
  }
}
