// Reads small files that people write, whole and with a bound, and says in a sentence what went wrong.
import { open } from 'node:fs/promises';

/** A file's content, or what is wrong with it and the cure, as the end of a sentence that begins with its path. */
export type BoundedFile =
  | { readonly ok: true; readonly content: Buffer }
  | { readonly ok: false; readonly problem: string; readonly isMissing: boolean };

/** Reads a file of at most `mostBytes`. Never rejects. */
export async function readBoundedFile(path: string, mostBytes: number): Promise<BoundedFile> {
  try {
    await using file = await open(path, 'r');
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= mostBytes) {
      // Not by the size that stat tells: a pipe has none, and a file may grow meanwhile.
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(64 * 1024));
      if (bytesRead === 0) return { ok: true, content: Buffer.concat(chunks) };
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return { ok: false, isMissing: false, problem: `has more than ${mostBytes} bytes; name the right file` };
  } catch (cause) {
    return { ok: false, ...problemOf(cause as NodeJS.ErrnoException) };
  }
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
