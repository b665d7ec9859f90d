// Writes an upstream's answer to the client as it comes. A head and a small body that are there together go
// out in one write; everything else goes out as it arrives, with the client's pace passed back.
import type { ServerResponse } from 'node:http';
import { BOUNDS } from '../core/bounds.ts';
import { returnedTrailers, type ReturnedHead } from './returned-head.ts';

export class ClientAnswer {
  /** 0 until there is a head. */
  status = 0;
  /** Bytes of the body. */
  bytes = 0;
  readonly #response: ServerResponse;
  readonly #idleMs: number;
  readonly #onDrain: () => void;
  #contentLength: number | null = null;
  /** A whole small body that waits for the answer's end in the same turn. */
  #held: Buffer | null = null;
  #isFlushed = false;
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
  begin(status: number, reason: string, head: ReturnedHead): boolean {
    const response = this.#response;
    try {
      if (reason !== '' && PLAIN_REASON.test(reason)) response.writeHead(status, reason, head.fields);
      else response.writeHead(status, head.fields);
    } catch {
      response.statusMessage = '';
      return false;
    }
    this.status = status;
    this.#contentLength = head.contentLength;
    process.nextTick(flush, this);
    return true;
  }

  /** Sends the head, and what was held, if the answer has not ended by now: event streams begin with a head alone. */
  flush(): void {
    if (this.#isFlushed || this.#response.destroyed) return;
    this.#isFlushed = true;
    const held = this.#held;
    this.#held = null;
    if (held === null) this.#response.flushHeaders();
    else this.#send(held);
  }

  /** Sends a part of the body. False if the client takes no more for now. */
  write(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (!this.#isFlushed && chunk.length === this.#contentLength && chunk.length <= BOUNDS.smallAnswerBytes) {
      this.#held = chunk;
      return true;
    }
    if (this.#held !== null) this.flush();
    this.#isFlushed = true;
    return this.#send(chunk);
  }

  /** Ends the answer. */
  end(rawTrailers: readonly string[], answerFields: readonly string[]): void {
    const response = this.#response;
    if (response.destroyed) return;
    if (rawTrailers.length > 0) this.#trail(rawTrailers, answerFields);
    this.#isFlushed = true;
    const held = this.#held;
    this.#held = null;
    // Node joins a head and a text into one write.
    if (held === null) response.end();
    else response.end(held.toString('latin1'), 'latin1');
    const { socket } = response;
    // What is left in the buffers goes at the client's pace; Node's own timer tells a slow reader from a dead one.
    if (socket !== null && socket.writableLength > 0) socket.setTimeout(this.#idleMs);
  }

  #send(chunk: Buffer): boolean {
    const response = this.#response;
    if (response.destroyed || response.write(chunk)) return true;
    if (!this.#listens) {
      this.#listens = true;
      response.on('drain', () => this.#drained());
    }
    this.#isStalled = true;
    response.socket?.setTimeout(this.#idleMs);
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

function flush(answer: ClientAnswer): void {
  answer.flush();
}
