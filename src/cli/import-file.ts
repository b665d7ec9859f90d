// An import file as a stream of lines that can be read twice, with a bound on what is held of it.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { UserFault } from '../core/fault.ts';
import type { ImportLine } from '../manage/key-import.ts';
import { readImportLine } from './import-line.ts';

/** Longest line; a key's record has a bound of its own below it. */
const LINE_BYTES = 256 * 1024;
/** What can be read only once, as standard input or a pipe, is held. */
const HELD_BYTES = 64 * 1024 * 1024;
const LINE_FEED = 0x0a;

/**
 * Opens a file, or standard input for `-`. Each call of the result reads it from its beginning.
 * @throws {UserFault} if it is no file and longer than what is held of it
 */
export async function openImport(path: string, stdin: Readable): Promise<() => AsyncIterable<ImportLine>> {
  if (path !== '-' && (await isPlainFile(path))) return () => importLines(fileChunks(path));
  const content = await (path === '-' ? readWhole(stdin, 'standard input') : readWhole(fileChunks(path), path));
  return () => importLines([content]);
}

/** A pipe, as `<(…)` makes one, is empty when it is read again. */
async function isPlainFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (cause) {
    throw unreadable(path, cause as NodeJS.ErrnoException);
  }
}

async function* importLines(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<ImportLine> {
  let line = 0;
  for await (const bytes of splitLines(chunks)) {
    line++;
    if (bytes === 'too long') yield { line, problems: [`the line is longer than ${LINE_BYTES / 1024} KiB`] };
    else if (!isBlank(bytes)) yield { line, ...readImportLine(bytes) };
  }
}

async function* splitLines(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer | 'too long'> {
  let begun: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= LINE_BYTES) begun.push(part);
    else begun = [];
  };
  const finished = (): Buffer | 'too long' => {
    const line = length > LINE_BYTES ? 'too long' : Buffer.concat(begun);
    begun = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      take(chunk.subarray(start, end));
      yield finished();
      start = end + 1;
    }
    take(chunk.subarray(start));
  }
  if (length > 0) yield finished();
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

async function* fileChunks(path: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Buffer;
  } catch (cause) {
    throw unreadable(path, cause as NodeJS.ErrnoException);
  }
}

async function readWhole(source: AsyncIterable<unknown>, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > HELD_BYTES) {
      throw new UserFault(
        `${name} has more than ${HELD_BYTES / 1024 ** 2} MiB, which is held; give the keys as a file`,
      );
    }
  }
  return Buffer.concat(chunks);
}

function unreadable(path: string, cause: NodeJS.ErrnoException): UserFault {
  switch (cause.code) {
    case 'ENOENT':
      return new UserFault(`${path} does not exist; name the file to be imported, or - for standard input`, 1, cause);
    case 'EACCES':
      return new UserFault(`${path} cannot be read by this user; give it read permission`, 1, cause);
    case 'EISDIR':
      return new UserFault(`${path} is a directory; name a file in it`, 1, cause);
    default:
      return new UserFault(`${path} cannot be read (${cause.message})`, 1, cause);
  }
}
