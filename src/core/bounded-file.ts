// Reads small files that people write, whole and with a bound, and says in a sentence what went wrong.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as elapsed } from 'node:timers/promises';
import { BOUNDS } from './bounds.ts';

/** A file's content, or what is wrong with it and the cure, as the end of a sentence that begins with its path. */
export type BoundedFile =
  | { readonly ok: true; readonly content: Buffer }
  | { readonly ok: false; readonly problem: string; readonly isMissing: boolean };

/**
 * Reads a file of at most `mostBytes`. Never rejects.
 * @param silenceMs how long a pipe may give nothing before that is its problem
 */
export async function readBoundedFile(
  path: string,
  mostBytes: number,
  silenceMs: number = BOUNDS.fileSilenceMs,
): Promise<BoundedFile> {
  try {
    // A pipe that nobody writes to would otherwise hold a thread, and with it the end of the process, for good.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const isPipe = (await file.stat()).isFIFO();
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= mostBytes) {
      // Not by the size that stat tells: a pipe has none, and a file may grow meanwhile.
      const buffer = Buffer.allocUnsafe(64 * 1024);
      const bytesRead = await (isPipe ? readPipe(file, buffer, silenceMs, length === 0) : readPart(file, buffer));
      if (bytesRead === undefined) return { ok: false, isMissing: false, problem: SILENT };
      if (bytesRead === 0) return { ok: true, content: Buffer.concat(chunks) };
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return { ok: false, isMissing: false, problem: `has more than ${mostBytes} bytes; name the right file` };
  } catch (cause) {
    return { ok: false, ...problemOf(cause as NodeJS.ErrnoException) };
  }
}

const SILENT = 'is a pipe that gives nothing; name a file, or see that its writer runs';
/** Between two looks at a pipe, ms. */
const PIPE_LOOK_MS = 5;

async function readPart(file: FileHandle, buffer: Buffer): Promise<number> {
  return (await file.read(buffer)).bytesRead;
}

/** Waits for bytes, and at the beginning for a writer too; undefined where neither comes in time. */
async function readPipe(
  file: FileHandle,
  buffer: Buffer,
  silenceMs: number,
  isBeginning: boolean,
): Promise<number | undefined> {
  const until = performance.now() + silenceMs;
  do {
    try {
      const bytesRead = await readPart(file, buffer);
      if (bytesRead > 0 || !isBeginning) return bytesRead;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') throw cause;
    }
    await elapsed(PIPE_LOOK_MS);
  } while (performance.now() < until);
  return undefined;
}

function problemOf(cause: NodeJS.ErrnoException): { problem: string; isMissing: boolean } {
  switch (cause.code) {
    case 'ENOENT':
      return { problem: 'does not exist; make it, or name another file', isMissing: true };
    case 'EACCES':
    case 'EPERM':
      return { problem: 'cannot be read by this user; give it read permission', isMissing: false };
    case 'EISDIR':
      return { problem: 'is a directory; name a file in it', isMissing: false };
    default:
      return { problem: `cannot be read (${cause.message}); name another file`, isMissing: false };
  }
}
