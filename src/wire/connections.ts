// The connections to one target: the one used last is used first, so that the others can time out; as many as
// are allowed, and a bounded queue before them.
import { BOUNDS } from '../core/bounds.ts';
import { CarriedExchange, type Waiting } from './carried-exchange.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import { Dialler } from './dial.ts';
import type { AnswerSink, Exchange, UpstreamClient, UpstreamLimits, UpstreamRequest } from './exchange.ts';
import { requestHead } from './request-head.ts';
import { unwatch, watch } from './sweep.ts';

export class Connections implements UpstreamClient, ConnectionOwner, Waiting {
  readonly limits: UpstreamLimits;
  readonly #dialler: Dialler;
  /** The last one was used last. */
  readonly #idle: Connection[] = [];
  /** In the order they came. */
  readonly #queue = new Set<CarriedExchange>();
  /** Connections, whatever they are doing, and requests, waiting or carried. */
  #open = 0;
  #underWay = 0;
  #isClosing = false;
  #onClosed: (() => void)[] = [];

  /** @param origin such as `http://127.0.0.1:3000` */
  constructor(origin: string, limits: UpstreamLimits) {
    this.limits = limits;
    this.#dialler = new Dialler(origin);
  }

  get hasRoom(): boolean {
    return this.#underWay < this.limits.maxConnections + BOUNDS.upstreamQueue;
  }

  send(request: UpstreamRequest, sink: AnswerSink, now: number): Exchange {
    const head = requestHead(request, this.#dialler.hostLine);
    const exchange = new CarriedExchange(request, head ?? '', sink, this);
    if (head === undefined) {
      exchange.isOver = true;
      process.nextTick(unsendable, sink);
      return exchange;
    }
    this.#underWay++;
    const idle = this.#idle.pop();
    if (idle) idle.carry(exchange, now);
    else if (this.#open < this.limits.maxConnections) this.#dial(exchange, now);
    else {
      exchange.deadlineAt = now + this.limits.responseTimeout;
      this.#queue.add(exchange);
      watch(exchange);
    }
    return exchange;
  }

  close(): Promise<void> {
    this.#isClosing = true;
    this.foundStale();
    return new Promise((resolve) => {
      this.#onClosed.push(resolve);
      this.#settle();
    });
  }

  leave(exchange: CarriedExchange): void {
    this.#queue.delete(exchange);
    unwatch(exchange);
    this.ended(exchange);
  }

  rested(connection: Connection): void {
    const next = this.#shift();
    if (next) connection.carry(next, performance.now());
    else if (this.#isClosing) connection.drop();
    else this.#idle.push(connection);
  }

  dropped(connection: Connection): void {
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#open--;
    const next = this.#shift();
    if (next) this.#dial(next, performance.now());
    else this.#settle();
  }

  foundStale(): void {
    while (this.#idle.length > 0) this.#idle.at(-1)!.drop();
  }

  ended(exchange: CarriedExchange): void {
    exchange.isOver = true;
    this.#underWay--;
  }

  #dial(exchange: CarriedExchange, now: number): void {
    this.#open++;
    return void new Connection(this, this.#dialler, exchange, now);
  }

  /** The request that has waited longest. */
  #shift(): CarriedExchange | undefined {
    if (this.#queue.size === 0) return undefined;
    const [next] = this.#queue;
    this.#queue.delete(next!);
    unwatch(next!);
    return next;
  }

  #settle(): void {
    if (this.#open > 0 || this.#underWay > 0) return;
    for (const resolve of this.#onClosed) resolve();
    this.#onClosed = [];
  }
}

function unsendable(sink: AnswerSink): void {
  sink.failed({ kind: 'unsendable', isSent: false, isStale: false, detail: 'a character that no field may hold' });
}
