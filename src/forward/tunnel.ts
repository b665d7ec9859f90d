// An open tunnel: bytes pass both ways until either side closes, falls silent for too long, or the gateway
// closes it.
import type { Duplex } from 'node:stream';
import { BOUNDS } from '../core/bounds.ts';
import type { ClientLeg } from './client-leg.ts';
import { closeFrame, FrameBoundary } from './frame-boundary.ts';

export class Tunnel {
  readonly #leg: ClientLeg;
  readonly #upstream: Duplex;
  readonly #frames = new FrameBoundary();
  #isClosing = false;

  /** @param idleMs longest silence, either way, ms */
  constructor(leg: ClientLeg, upstream: Duplex, idleMs: number) {
    this.#leg = leg;
    this.#upstream = upstream;
    // Every byte of the tunnel passes the client's socket, whose timer also sees a slow reader's progress.
    leg.socket.setTimeout(idleMs, () => leg.socket.destroy());
    upstream.once('close', () => this.#endSoon(BOUNDS.lingerMs));
    leg.socket.once('close', () => upstream.destroy());
  }

  /**
   * Closes the tunnel. The client is told with a close frame, unless a frame of the upstream's is half sent.
   * @param code of RFC 6455 section 7.4: 1001 going away, 1008 policy violation
   * @param lingerMs how long the client may take to close its side
   */
  close(code: number, lingerMs: number = BOUNDS.lingerMs): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#frames.isBetweenFrames && this.#leg.socket.writable) this.#leg.socket.write(closeFrame(code));
    this.#upstream.destroy();
    this.#endSoon(lingerMs);
  }

  /** To be told of all bytes that go to the client. */
  passed(chunk: Buffer): void {
    this.#frames.advance(chunk);
  }

  /** Ends the client's side, and cuts it where it does not end its own. */
  #endSoon(lingerMs: number): void {
    const { socket } = this.#leg;
    this.#isClosing = true;
    if (socket.destroyed) return;
    socket.end();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
  }
}
