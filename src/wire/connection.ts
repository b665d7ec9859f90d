// One connection to a target: carries one request at a time, reads its answer, keeps its deadlines, and is
// used again only where the answer left no doubt about where it ended.
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';
import { AnswerReader } from './answer-reader.ts';
import type { CarriedExchange, Carrier } from './carried-exchange.ts';
import type { Dialler, Wire } from './dial.ts';
import type { UpstreamFailure, UpstreamLimits } from './exchange.ts';
import { giveLarge, SHARED, takeLarge } from './read-buffers.ts';
import { bodylessEnd } from './request-head.ts';
import { type Timed, unwatch, watch } from './sweep.ts';
import { Upload } from './upload.ts';

/** Whose connection it is. */
export interface ConnectionOwner {
  readonly limits: UpstreamLimits;
  /** It can carry another request. */
  rested(connection: Connection): void;
  /** It is gone. */
  dropped(connection: Connection): void;
  /** The target closes connections that it has kept: none of them is to be relied on. */
  foundStale(): void;
  /** An exchange has ended, well or not; before its sink hears of it. */
  ended(exchange: CarriedExchange): void;
}

type State = 'connecting' | 'idle' | 'busy' | 'closed';

export class Connection implements Carrier, Timed, Wire {
  deadlineAt: number;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #reader = new AnswerReader();
  #state: State = 'connecting';
  #exchange: CarriedExchange | null;
  #upload: Upload | null = null;
  /** Requests that it was given. */
  #carried = 0;
  #hasHead = false;
  #isPaused = false;
  /** The buffer of its own that is being read to, while a large body comes. */
  #large: Buffer | null = null;
  /** What is to be read to from the next read on; null for what is being read to now. */
  #next: Buffer | null = null;

  /** Opens one, for a request. */
  constructor(owner: ConnectionOwner, dialler: Dialler, exchange: CarriedExchange, now: number) {
    this.#owner = owner;
    this.#exchange = exchange;
    exchange.connection = this;
    this.deadlineAt = now + owner.limits.connectTimeout;
    this.#socket = dialler.dial(this).on('drain', () => this.#upload?.drained());
    watch(this);
  }

  /** Gives it a request, which goes out at once; it has to be idle. */
  carry(exchange: CarriedExchange, now: number): void {
    this.#state = 'busy';
    this.#exchange = exchange;
    exchange.connection = this;
    this.#carried++;
    this.#hasHead = false;
    const { request, head } = exchange;
    this.#reader.begin(request.method);
    this.deadlineAt = now + this.#owner.limits.responseTimeout;
    if (request.body === null) this.#socket.write(head + bodylessEnd(request.method), 'latin1');
    // What of the body came with the request is there a moment later.
    else process.nextTick(beginUpload, this, exchange);
  }

  beginUpload(exchange: CarriedExchange): void {
    const { request, head } = exchange;
    if (this.#exchange !== exchange || request.body === null) return;
    this.#upload = new Upload(this.#socket, request.body, request.contentLength, () => this.#uploadMoved());
    this.#upload.begin(head, request.contentLength);
  }

  /** Gives up the request that it carries, and the connection with it. */
  abandon(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#exchange = null;
    this.#owner.ended(exchange);
    this.drop();
  }

  pause(): void {
    this.#isPaused = true;
    this.deadlineAt = Infinity;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#expect(this.#owner.limits.idleTimeout);
    this.#socket.resume();
  }

  /** Closes it; who waits for an answer on it has been told. */
  drop(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    unwatch(this);
    this.#socket.destroy();
    this.#giveBack();
    this.#owner.dropped(this);
  }

  expired(): void {
    if (this.#exchange === null) this.drop();
    else this.#fail('timeout', this.#state === 'connecting' ? 'connecting' : this.#hasHead ? 'silent' : 'no answer');
  }

  opened(): void {
    if (this.#state === 'connecting' && this.#exchange !== null) this.carry(this.#exchange, performance.now());
  }

  received(buffer: Buffer, length: number, isOwn: boolean): boolean {
    const exchange = this.#exchange;
    // Bytes that nobody asked for: whatever they are, they are not the next request's answer.
    if (exchange === null) this.drop();
    else this.#read(exchange, buffer, length, isOwn);
    return !this.#isPaused;
  }

  nextBuffer(): Buffer | undefined {
    const next = this.#next;
    this.#next = null;
    return next ?? undefined;
  }

  ended(): void {
    const exchange = this.#exchange;
    if (exchange === null) return this.drop();
    if (this.#state === 'busy' && this.#reader.close()) {
      this.#finish(exchange);
      return exchange.sink.end(this.#reader.trailers);
    }
    this.#fail(this.#reader.hasBegun ? 'invalid' : 'unreachable', 'closed', true);
  }

  failed(error: NodeJS.ErrnoException): void {
    if (this.#exchange === null) return this.drop();
    const code = error.code ?? error.name;
    this.#fail(code === 'ETIMEDOUT' ? 'timeout' : 'unreachable', code, CLOSED.has(code));
  }

  #read(exchange: CarriedExchange, buffer: Buffer, length: number, isOwn: boolean): void {
    const reader = this.#reader;
    reader.read(buffer, length);
    if (reader.excess > 0 && !this.#mayPassWithExcess(exchange)) return;
    // The connection may carry the next request before the sink hears of this one: all is taken out first.
    const { head, from, to, body, isWhole, trailers, flaw } = reader;
    if (isWhole && head !== null) {
      const text = bodyText(body, from, to);
      this.#finish(exchange);
      return exchange.sink.whole(head, text, trailers);
    }
    if (head !== null) {
      this.#hasHead = true;
      exchange.sink.head(head, from === to ? null : bodyText(body, from, to));
    } else if (to > from) {
      this.#handOn(exchange, body.subarray(from, to), body === buffer && isOwn);
    }
    // The sink may have given it up, or the client may be slow.
    if (this.#exchange !== exchange) return;
    if (flaw !== '') return this.#fail('invalid', flaw);
    if (isWhole) {
      this.#finish(exchange);
      return exchange.sink.end(trailers);
    }
    if (this.#hasHead && !this.#isPaused) this.#expect(this.#owner.limits.idleTimeout);
    if (length >= LARGE_READ && buffer === SHARED) this.#readLarge();
  }

  /**
   * On a connection's first request the first answer is this request's, whatever follows. Later it may be an
   * earlier request's second one, and nobody can tell.
   */
  #mayPassWithExcess(exchange: CarriedExchange): boolean {
    if (this.#carried > 1) {
      this.#fail('invalid', 'bytes behind the answer');
      return false;
    }
    exchange.oddity = 'bytes behind the answer';
    return true;
  }

  /** Hands on a part of a body: as it stands where the buffer can be spared, else as a copy. */
  #handOn(exchange: CarriedExchange, chunk: Buffer, isOwn: boolean): void {
    const large = this.#large;
    if (!isOwn) return exchange.sink.data(Buffer.from(chunk), null);
    if (large === null || chunk.buffer !== large.buffer) return exchange.sink.data(chunk, null);
    if (chunk.length < LARGE_READ) return exchange.sink.data(Buffer.from(chunk), null);
    this.#readLarge();
    exchange.sink.data(chunk, () => giveLarge(large));
  }

  #readLarge(): void {
    this.#large = takeLarge();
    this.#next = this.#large;
  }

  /** The answer is whole: the connection rests, or closes where anything about it is in doubt. */
  #finish(exchange: CarriedExchange): void {
    const reader = this.#reader;
    const isClean = reader.isReusable && reader.excess === 0 && (this.#upload === null || this.#upload.isEnded);
    const mostMs =
      reader.keepAliveSeconds === null ? Infinity : reader.keepAliveSeconds * 1000 - BOUNDS.upstreamKeepAliveMarginMs;
    const idleMs = Math.min(BOUNDS.upstreamKeepAliveMs, mostMs);
    exchange.oddity ??= reader.oddity;
    this.#exchange = null;
    this.#upload = null;
    this.#owner.ended(exchange);
    if (!isClean || idleMs <= 0) return this.drop();
    this.#giveBack();
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.#state = 'idle';
    this.#expect(idleMs);
    this.#owner.rested(this);
  }

  /** Goes on reading to the shared buffer. What is being read to now is empty, or was copied. */
  #giveBack(): void {
    if (this.#large === null) return;
    giveLarge(this.#large);
    this.#large = null;
    this.#next = SHARED;
  }

  #fail(kind: UpstreamFailure['kind'], detail: string, isClosed = false): void {
    const exchange = this.#exchange!;
    const isSent = this.#state === 'busy';
    const isStale = isClosed && isSent && this.#carried > 1 && !this.#reader.hasBegun;
    this.#exchange = null;
    this.#owner.ended(exchange);
    this.drop();
    if (isStale) this.#owner.foundStale();
    exchange.sink.failed({ kind, isSent, isStale, detail });
  }

  #uploadMoved(): void {
    const upload = this.#upload;
    if (upload === null) return;
    const { responseTimeout, idleTimeout } = this.#owner.limits;
    if (this.#isPaused) return;
    if (this.#hasHead) this.#expect(idleTimeout);
    else if (upload.isBlocked) this.#expect(Math.min(responseTimeout, idleTimeout));
    else if (upload.isEnded) this.#expect(responseTimeout);
    // It is the client's turn, and its silence has a deadline of its own.
    else this.deadlineAt = Infinity;
  }

  #expect(withinMs: number): void {
    this.deadlineAt = performance.now() + withinMs;
  }
}

/** A read from which on a body counts as large, bytes. */
const LARGE_READ = 32 * 1024;

/** What the system says of a connection that the peer has closed. */
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

function beginUpload(connection: Connection, exchange: CarriedExchange): void {
  connection.beginUpload(exchange);
}

function bodyText(body: Buffer, from: number, to: number): string | Buffer {
  return to - from <= BOUNDS.smallAnswerBytes
    ? body.toString('latin1', from, to)
    : Buffer.from(body.subarray(from, to));
}
