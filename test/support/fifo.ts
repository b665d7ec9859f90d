// A named pipe, as between two programs of a shell, whose reader does as a test says: reads nothing, reads on,
// or goes away. (The pipes of `spawn` are sockets.)
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

export class Fifo {
  /** The end to write to, to be handed to a process. */
  readonly writer: number;
  readonly #reader: number;
  #isWriterOpen = true;
  #socket: Socket | undefined;
  #text = '';

  private constructor(reader: number, writer: number) {
    this.#reader = reader;
    this.writer = writer;
  }

  static async open(directory: string): Promise<Fifo> {
    const path = join(directory, `fifo-${Math.random().toString(36).slice(2)}`);
    await promisify(execFile)('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Fifo(reader, openSync(path, constants.O_WRONLY));
  }

  /** What was read so far. */
  get text(): string {
    return this.#text;
  }

  /** Gives up this process's own end, once another has it: the end of that one is then the end of the pipe. */
  closeWriter(): void {
    if (this.#isWriterOpen) closeSync(this.writer);
    this.#isWriterOpen = false;
  }

  /** Begins to read. Resolves at the end. */
  read(): Promise<void> {
    const socket = new Socket({ fd: this.#reader, readable: true, writable: false });
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => (this.#text += text));
    return new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** The reader goes away, be it that it never read. */
  close(): void {
    this.closeWriter();
    if (this.#socket) this.#socket.destroy();
    else closeSync(this.#reader);
  }
}
