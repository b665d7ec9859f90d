// The client's connection of an upgrade. Until the upstream has switched protocols, what the client sends is
// held here, within a bound: it must not go upstream, and yet a client that goes away has to be noticed.
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';

export class ClientLeg {
  /** Bytes of the tunnel, or of the answer that came in its place; heads are not counted. */
  bytesIn = 0;
  bytesOut = 0;
  readonly socket: Socket;
  readonly #onClosed: () => void;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #deliver: ((chunk: Buffer | null) => boolean) | null = null;

  /**
   * @param head what came with the request's last bytes
   * @param onClosed called once the connection has closed
   */
  constructor(socket: Socket, head: Buffer, onClosed: () => void) {
    this.socket = socket;
    this.#onClosed = onClosed;
    socket.on('data', this.#data).on('end', this.#ended).on('close', onClosed).on('error', ignore);
    if (head.length > 0) this.#data(head);
    if (socket.destroyed) process.nextTick(onClosed);
    else socket.resume();
  }

  /**
   * Hands over what was held and all that follows.
   * @param deliver gets every chunk, and null at the end; false asks to wait for {@link resume}
   */
  open(deliver: (chunk: Buffer | null) => boolean): void {
    const held = this.#held;
    this.#held = [];
    this.#deliver = deliver;
    let wantsMore = true;
    for (const chunk of held) wantsMore = this.#handOn(chunk);
    if (wantsMore) this.socket.resume();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Writes; `done` is called when there is room for more. */
  write(chunk: Buffer, done: () => void): void {
    if (this.socket.destroyed || this.socket.write(chunk)) done();
    else this.socket.once('drain', done);
  }

  /** Lets go of the connection, which is as the client left it; nothing was written. */
  release(): void {
    this.socket.off('data', this.#data).off('end', this.#ended).off('close', this.#onClosed).pause();
    this.#held = [];
  }

  readonly #data = (chunk: Buffer): void => {
    if (this.#deliver !== null) {
      if (!this.#handOn(chunk)) this.socket.pause();
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= BOUNDS.upgradeHeldBytes) this.socket.pause();
  };

  readonly #ended = (): void => {
    if (this.#deliver !== null) this.#deliver(null);
    // Nobody would read the answer to a handshake on a connection that is half closed.
    else this.socket.destroy();
  };

  #handOn(chunk: Buffer): boolean {
    this.bytesIn += chunk.length;
    return this.#deliver?.(chunk) ?? true;
  }
}

function ignore(): void {}
