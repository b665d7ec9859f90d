// What commands print to: data on standard output, words for people on standard error. A reader that goes
// away early, as `head` does, is no error.
import type { Writable } from 'node:stream';
import { UserFault } from '../core/fault.ts';

/** The part of a process that commands use. */
export type Host = Pick<NodeJS.Process, 'argv' | 'env' | 'stdin' | 'stdout' | 'stderr' | 'on' | 'exit'>;

export class Terminal {
  readonly #out: Writable;
  readonly #err: Writable;
  #isReaderGone = false;

  constructor({ stdout, stderr }: Pick<Host, 'stdout' | 'stderr'>) {
    this.#out = stdout;
    this.#err = stderr;
    // A failed write is told to who wrote; as an event it would end the process.
    stdout.on('error', () => undefined);
    stderr.on('error', () => undefined);
  }

  /** Whether nobody reads standard output any more; what is printed is then lost. */
  get isReaderGone(): boolean {
    return this.#isReaderGone;
  }

  /**
   * Prints lines of data. Resolves once they are written.
   * @throws {UserFault} if they cannot be, as on a full disk
   */
  async print(...lines: string[]): Promise<void> {
    if (lines.length === 0 || this.#isReaderGone) return;
    const failure = await written(this.#out, `${lines.join('\n')}\n`);
    if (failure?.code === 'EPIPE') this.#isReaderGone = true;
    else if (failure) throw new UserFault(`the output could not be written (${failure.message}); write it elsewhere`);
  }

  /** Prints one value as one line of JSON. */
  printJson(value: unknown): Promise<void> {
    return this.print(JSON.stringify(value));
  }

  /** Says something to the person at the terminal. */
  say(sentence: string): void {
    this.#err.write(`${sentence}\n`);
  }
}

function written(stream: Writable, text: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    stream.write(text, (error) => resolve(error ?? undefined));
  });
}
