// Writes a request with a body: its head at once, together with as much of the body as is there, then the rest
// at the target's pace; of a declared length, or in chunks (RFC 9112 section 7.1).
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';
import type { BodySink, BodySource } from './exchange.ts';

export class Upload implements BodySink {
  /** Whether all of the request was written. */
  isEnded = false;
  /** Whether the target has to take what was written before more is. */
  isBlocked = false;
  readonly #socket: Socket;
  readonly #source: BodySource;
  readonly #isChunked: boolean;
  readonly #moved: () => void;

  /**
   * @param contentLength declared, bytes; null for a chunked body
   * @param moved called whenever something was written
   */
  constructor(socket: Socket, source: BodySource, contentLength: number | null, moved: () => void) {
    this.#socket = socket;
    this.#source = source;
    this.#isChunked = contentLength === null;
    this.#moved = moved;
  }

  /** @param head all but what frames the body */
  begin(head: string, contentLength: number | null): void {
    const chunk = this.#source.open();
    const isLast = this.#source.isEnded;
    if (chunk === null && isLast) {
      this.isEnded = true;
      this.isBlocked = !this.#socket.write(`${head}content-length: 0\r\n\r\n`, 'latin1');
      return this.#moved();
    }
    const framing = contentLength === null ? 'transfer-encoding: chunked' : `content-length: ${contentLength}`;
    this.#write(`${head}${framing}\r\n\r\n`, chunk, isLast);
    if (!isLast) this.#source.flow(this);
  }

  take(chunk: Buffer | null, isLast: boolean): boolean {
    this.#write('', chunk, isLast);
    return !this.isBlocked;
  }

  /** The target has taken what was written. */
  drained(): void {
    if (!this.isBlocked) return;
    this.isBlocked = false;
    this.#moved();
    if (!this.isEnded) this.#source.resume();
  }

  #write(head: string, chunk: Buffer | null, isLast: boolean): void {
    let before = head;
    let after = '';
    if (this.#isChunked) {
      if (chunk !== null) before += `${chunk.length.toString(16)}\r\n`;
      after = `${chunk === null ? '' : '\r\n'}${isLast ? '0\r\n\r\n' : ''}`;
    }
    this.isBlocked = !this.#send(before, chunk, after);
    this.isEnded = isLast;
    this.#moved();
  }

  /** One write for all of it. */
  #send(before: string, chunk: Buffer | null, after: string): boolean {
    const socket = this.#socket;
    if (chunk === null) return socket.write(before + after, 'latin1');
    if (chunk.length <= BOUNDS.smallAnswerBytes)
      return socket.write(before + chunk.toString('latin1') + after, 'latin1');
    socket.cork();
    if (before !== '') socket.write(before, 'latin1');
    let hasRoom = socket.write(chunk);
    if (after !== '') hasRoom = socket.write(after, 'latin1');
    socket.uncork();
    return hasRoom;
  }
}
