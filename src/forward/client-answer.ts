// Writes an upstream's answer to the client as it comes, with the client's pace passed back. What came at once
// goes out at once.
import type { ServerResponse } from 'node:http';
import { returnedTrailers } from './returned-head.ts';

export class ClientAnswer {
  /** 0 until there is a head. */
  status = 0;
  /** Bytes of the body. */
  bytes = 0;
  readonly #response: ServerResponse;
  readonly #idleMs: number;
  readonly #onDrain: () => void;
  #isStalled = false;
  #listens = false;

  /**
   * @param idleMs longest time the client may take nothing, ms
   * @param onDrain called when the client takes bytes again after {@link write} gave false
   */
  constructor(response: ServerResponse, idleMs: number, onDrain: () => void) {
    this.#response = response;
    this.#idleMs = idleMs;
    this.#onDrain = onDrain;
  }

  /** Begins the answer. False if its head cannot be written; the response is then as it was. */
  begin(status: number, reason: string, fields: string[]): boolean {
    const response = this.#response;
    try {
      if (reason === 'OK' || (reason !== '' && PLAIN_REASON.test(reason))) response.writeHead(status, reason, fields);
      else response.writeHead(status, fields);
    } catch {
      response.statusMessage = '';
      return false;
    }
    this.status = status;
    return true;
  }

  /** Sends the head alone: event streams begin so. */
  flush(): void {
    if (!this.#response.destroyed) this.#response.flushHeaders();
  }

  /**
   * Sends a part of the body.
   * @param chunk a text has one character an octet
   * @param release called when it was taken
   * @returns false if the client takes no more for now
   */
  write(chunk: string | Buffer, release: (() => void) | null): boolean {
    const response = this.#response;
    this.bytes += chunk.length;
    if (response.destroyed || response.write(chunk, 'latin1', release ?? undefined)) return true;
    if (!this.#listens) {
      this.#listens = true;
      response.on('drain', () => this.#drained());
    }
    this.#isStalled = true;
    response.socket?.setTimeout(this.#idleMs);
    return false;
  }

  /**
   * Ends the answer.
   * @param last the rest of the body, or all of it
   * @returns whether all of it is in the system's hands
   */
  end(last: string | Buffer, rawTrailers: readonly string[], answerFields: readonly string[]): boolean {
    const response = this.#response;
    if (response.destroyed) return false;
    if (rawTrailers.length > 0) this.#trail(rawTrailers, answerFields);
    const { socket } = response;
    this.bytes += last.length;
    // Node joins a head and a text into one write.
    if (last.length === 0) response.end();
    else response.end(last, 'latin1');
    if (socket === null) return false;
    if (socket.writableLength === 0) {
      // The timer is the answer's, not the connection's: the next request may take longer.
      if (this.#isStalled) socket.setTimeout(0);
      return true;
    }
    // What is left in the buffers goes at the client's pace; Node's own timer tells a slow reader from a dead one.
    socket.setTimeout(this.#idleMs);
    response.once('finish', () => socket.setTimeout(0));
    return false;
  }

  #drained(): void {
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#response.socket?.setTimeout(0);
    this.#onDrain();
  }

  #trail(rawTrailers: readonly string[], answerFields: readonly string[]): void {
    try {
      this.#response.addTrailers(returnedTrailers(rawTrailers, answerFields));
    } catch {
      // A trailer that cannot be written is left out: the answer is whole without it.
    }
  }
}

const PLAIN_REASON = /^[\t\x20-\x7e]*$/;
