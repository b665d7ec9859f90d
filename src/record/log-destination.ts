// Where log lines go: standard output, in order, without ever holding up requests. Lines wait in memory
// while their reader is slow, up to a bound; above it they are dropped and counted.
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { BoundedLines, type Outlet } from './bounded-lines.ts';

/** Takes log lines, each with its line end. */
export interface LogDestination {
  write(line: string): void;
  /** Lines that were dropped since the start. */
  readonly dropped: number;
  /** Resolves when all that waits is written, or after `withinMs`, and takes no more lines. */
  close(withinMs: number): Promise<void>;
}

/** Opens standard output; also writes what waits when the process exits without closing. */
export function openStandardOutput(): LogDestination {
  return new BoundedLines(standardOutletOfProcess());
}

/** The one outlet to standard output, which all writers of this process share; chunks come out in their order. */
export function standardOutletOfProcess(): Outlet {
  return (standardOutput ??= openOutlet(STDOUT));
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
