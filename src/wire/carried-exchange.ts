// One request between its sender and the connection that carries it, or the place where it waits for one.
import type { AnswerSink, Exchange, UpstreamRequest } from './exchange.ts';
import type { Timed } from './sweep.ts';

/** What carries a request. */
export interface Carrier {
  abandon(): void;
  pause(): void;
  resume(): void;
}

/** Where requests wait. */
export interface Waiting {
  /** It waits no longer. */
  leave(exchange: CarriedExchange): void;
}

export class CarriedExchange implements Exchange, Timed {
  oddity: string | null = null;
  /** While it waits for a connection. */
  deadlineAt = Infinity;
  connection: Carrier | null = null;
  readonly request: UpstreamRequest;
  readonly sink: AnswerSink;
  /** From `requestHead`. */
  readonly head: string;
  readonly #waiting: Waiting;
  isOver = false;

  constructor(request: UpstreamRequest, head: string, sink: AnswerSink, waiting: Waiting) {
    this.request = request;
    this.head = head;
    this.sink = sink;
    this.#waiting = waiting;
  }

  abort(): void {
    if (this.isOver) return;
    if (this.connection === null) this.#waiting.leave(this);
    else this.connection.abandon();
  }

  pause(): void {
    if (!this.isOver) this.connection?.pause();
  }

  resume(): void {
    if (!this.isOver) this.connection?.resume();
  }

  expired(): void {
    this.#waiting.leave(this);
    const detail = 'no connection became free';
    this.sink.failed({ kind: 'timeout', isSent: false, isStale: false, hasWaited: true, detail });
  }
}
