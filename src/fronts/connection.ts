// What is kept of one client connection: the requests on it that are not answered, and how it is to end.
import type { Socket } from 'node:net';
import type { Address } from '../core/address.ts';
import { BOUNDS } from '../core/bounds.ts';
import type { LeanResponse } from './lean-response.ts';

export class Connection {
  readonly socket: Socket;
  readonly peer: Address;
  /** Answers that have not ended, in the order of their requests. */
  readonly answers: LeanResponse[] = [];
  isUpgraded = false;
  /** An answer that was the last has ended. */
  #hasEnded = false;
  /** What ends the connection when the requests under way are answered: bytes came that are no request. */
  lastWords: (() => string) | null = null;
  drainTimer: NodeJS.Timeout | undefined;
  #idleLooks = 0;
  #bytesSeen = 0;
  /** Requests that came behind an answer that ends the connection. */
  #ignored = 0;
  /** Whether it was given time to read. */
  #isTimed = false;
  readonly #onAnswered: (connection: Connection) => void;
  readonly #closed: (this: LeanResponse) => void;

  /** @param onAnswered called when an answer has ended */
  constructor(socket: Socket, peer: Address, onAnswered: (connection: Connection) => void) {
    this.socket = socket;
    this.peer = peer;
    this.#onAnswered = onAnswered;
    // One function a connection, not one a request.
    const ended = (answer: LeanResponse): void => this.#ended(answer);
    this.#closed = function closed() {
      ended(this);
    };
  }

  /** Whether nothing is under way on it. */
  get isIdle(): boolean {
    return this.answers.length === 0 && !this.isUpgraded;
  }

  /** Whether one of its answers is the last: a request behind that is not processed, also where that answer still waits. */
  get isEnding(): boolean {
    return this.#hasEnded || this.socket.writableEnded || this.answers.some(({ isLast }) => isLast);
  }

  began(answer: LeanResponse): void {
    clearTimeout(this.drainTimer);
    this.#idleLooks = 0;
    // What waits costs a hundred times its bytes, and node:http holds and reads on whatever comes.
    if (this.answers.push(answer) >= BOUNDS.pipelined) answer.shouldKeepAlive = false;
    answer.once('close', this.#closed);
  }

  /** Counts a request that is not processed; node:http keeps each of them until the connection has closed. */
  ignore(): void {
    if (++this.#ignored > BOUNDS.ignoredBehind) this.socket.destroy();
  }

  /** Gives a client time to take what waits for it, unless whoever sends it has done so. */
  timeReader(): void {
    const { socket } = this;
    if (socket.writableLength === 0) return this.untimeReader();
    if (socket.timeout) return;
    this.#isTimed = true;
    socket.setTimeout(this.answers[0]?.unreadMs ?? BOUNDS.unreadMs);
  }

  untimeReader(): void {
    if (this.#isTimed) this.socket.setTimeout(0);
    this.#isTimed = false;
  }

  /** Counts a look at an idle connection; returns how many in a row found it so, with no byte in between. */
  looked(): number {
    const { bytesRead } = this.socket;
    this.#idleLooks = bytesRead === this.#bytesSeen ? this.#idleLooks + 1 : 0;
    this.#bytesSeen = bytesRead;
    return this.#idleLooks;
  }

  #ended(answer: LeanResponse): void {
    const at = this.answers.indexOf(answer);
    if (at !== -1) this.answers.splice(at, 1);
    this.#hasEnded ||= answer.isLast;
    this.#onAnswered(this);
  }
}
