// Stands between the client's connection and http-proxy-middleware, which is handed this in place of the
// socket. It lets through what a tunnel carries; the heads that httpxy writes by itself are replaced by ours,
// and where it would end the client's connection over a failed handshake, the connection lives on.
import type { ClientRequest } from 'node:http';
import { Duplex } from 'node:stream';
import type { ClientLeg } from './client-leg.ts';

/** Who is told of what http-proxy-middleware does with the socket. */
export interface TunnelOwner {
  /** The request to the upstream is made, and nothing of it sent. */
  attach(request: ClientRequest): void;
  failed(error: NodeJS.ErrnoException): void;
  /** Bytes went to the client. */
  passed(chunk: Buffer): void;
}

export class TunnelSocket extends Duplex {
  readonly owner: TunnelOwner;
  readonly #leg: ClientLeg;
  #mode: 'handshake' | 'tunnel' | 'answer' = 'handshake';
  /** Ours, for the one that comes with the next write. */
  #head: string | null = null;

  constructor(owner: TunnelOwner, leg: ClientLeg) {
    super({ allowHalfOpen: true });
    this.owner = owner;
    this.#leg = leg;
  }

  /** The upstream has switched protocols: bytes pass both ways from here. */
  openTunnel(head: string): void {
    this.#mode = 'tunnel';
    this.#head = head;
    this.#leg.open((chunk) => this.push(chunk));
  }

  /** The upstream has answered instead: its body passes, and nothing goes back. */
  passAnswer(head: string): void {
    this.#mode = 'answer';
    this.#head = head;
    const client = this.#leg.socket;
    this.#leg.open((chunk) => {
      // A client that has gone looks like one that only sends no more: with the rest of the answer still to come, it has gone.
      if (chunk === null && !client.writableEnded) client.destroy();
      return true;
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#mode === 'handshake') return done();
    if (this.#head !== null) {
      const head = Buffer.from(this.#head, 'latin1');
      this.#head = null;
      return this.#leg.write(head, done);
    }
    this.#leg.bytesOut += chunk.length;
    this.owner.passed(chunk);
    this.#leg.write(chunk, done);
  }

  override _read(): void {
    if (this.#mode === 'tunnel') this.#leg.resume();
  }

  override _final(done: () => void): void {
    if (this.#mode !== 'handshake') this.#leg.socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#mode === 'tunnel') this.#leg.socket.destroySoon();
    // An answer that breaks off has to look like one.
    else if (this.#mode === 'answer') this.#leg.socket.destroy();
    done(error);
  }

  // httpxy sets these on every socket it is given; the client's own are the listener's.
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}
