// A connection that is none: whatever is written to it, it answers with the same pieces of bytes, then ends.
// What Node's and undici's clients make of an answer can be seen on it without a port.
import { Duplex } from 'node:stream';

export class ScriptedSocket extends Duplex {
  readonly #pieces: readonly Buffer[];
  #hasAnswered = false;

  constructor(pieces: readonly Buffer[]) {
    super({ allowHalfOpen: true });
    this.#pieces = pieces;
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    // A piece a turn, as reads of a socket are.
    const next = (at: number): void => {
      if (this.destroyed) return;
      this.push(this.#pieces[at] ?? null);
      if (at < this.#pieces.length) setImmediate(next, at + 1);
    };
    setImmediate(next, 0);
  }

  // What clients ask of a socket.
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
}
