// Carries requests over undici's pool with a hand-written handler: `dispatch` is the cheapest way in, and the
// only one that tells a failed connection from a failed request.
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import { BOUNDS } from '../core/bounds.ts';
import type {
  AnswerSink,
  Exchange,
  UpstreamClient,
  UpstreamFailure,
  UpstreamLimits,
  UpstreamRequest,
} from './client.ts';

export class UndiciClient implements UpstreamClient {
  #closed: Promise<void> | undefined;
  readonly #pool: Pool;
  readonly #limits: UpstreamLimits;
  readonly #load: Load = { underWay: 0, isOpening: false };

  /** @param origin such as `http://127.0.0.1:3000` */
  constructor(origin: string, limits: UpstreamLimits) {
    this.#limits = limits;
    this.#pool = new Pool(origin, {
      allowH2: false,
      useMilo: false,
      pipelining: 1,
      connections: limits.maxConnections,
      headersTimeout: limits.responseTimeout,
      bodyTimeout: limits.idleTimeout,
      keepAliveTimeout: BOUNDS.upstreamKeepAliveMs,
      keepAliveMaxTimeout: BOUNDS.upstreamKeepAliveMs,
      maxHeaderSize: BOUNDS.upstreamHeaderBytes,
      connect: connector(limits.connectTimeout, this.#load),
    });
  }

  get hasRoom(): boolean {
    return this.#load.underWay < this.#limits.maxConnections + BOUNDS.upstreamQueue;
  }

  send(request: UpstreamRequest, sink: AnswerSink): Exchange {
    const { maxConnections, responseTimeout } = this.#limits;
    const hasToWait = this.#load.underWay >= maxConnections;
    const exchange = new UndiciExchange(sink, this.#load, responseTimeout, hasToWait);
    const { contentLength, fields } = request;
    this.#pool.dispatch(
      {
        method: request.method,
        path: request.path,
        headers:
          contentLength === null || contentLength === 0
            ? (fields as string[])
            : [...fields, 'Content-Length', `${contentLength}`],
        // Any async iterable is taken; the types only know of Node's own.
        body: request.body as unknown as Readable | null,
      },
      exchange,
    );
    exchange.isDispatched = true;
    return exchange;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#pool.close());
  }
}

/** What a pool is doing, shared with its exchanges. */
interface Load {
  /** Requests that wait or are being carried. */
  underWay: number;
  /** Whether a request that starts now does so on a connection that was opened for it. */
  isOpening: boolean;
}

/** Opens connections; undici's own timeout for it is late by up to a second. */
function connector(timeoutMs: number, load: Load): buildConnector.connector {
  const connect = buildConnector({ allowH2: false, timeout: 0 }) as (
    ...parameters: Parameters<buildConnector.connector>
  ) => Socket;
  return (options, opened) => {
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error('connecting'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    );
    const socket = connect(options, (...result) => {
      clearTimeout(timer);
      // The request that waits for the connection starts inside of this call.
      load.isOpening = true;
      try {
        opened(...result);
      } finally {
        load.isOpening = false;
      }
    });
  };
}

/** Below this a response timeout gets a timer of its own, ms: the pool's are cheap, and late by up to a second. */
const EXACT_BELOW_MS = 5_000;

class UndiciExchange implements Exchange, Dispatcher.DispatchHandler {
  isDispatched = false;
  readonly #sink: AnswerSink;
  readonly #load: Load;
  readonly #responseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | null = null;
  /** The sink is to hear nothing more. */
  #isOver = false;
  #isReused = false;
  /** Whether a byte of an answer came, and whether its final head did. */
  #hasAnswer = false;
  #hasHead = false;
  #interim = 0;

  constructor(sink: AnswerSink, load: Load, responseMs: number, hasToWait: boolean) {
    this.#sink = sink;
    this.#load = load;
    this.#responseMs = responseMs;
    load.underWay++;
    if (hasToWait) this.#expect('no connection became free');
  }

  abort(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    // One that still waits for a connection is given up when its turn comes.
    this.#controller?.abort(ABORTED);
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#timer);
    this.#controller = controller;
    this.#isReused = !this.#load.isOpening;
    if (this.#isOver) controller.abort(ABORTED);
  }

  onRequestSent(): void {
    if (!this.#isOver && !this.#hasHead && this.#responseMs < EXACT_BELOW_MS) this.#expect('no answer');
  }

  onResponseStarted(): void {
    this.#hasAnswer = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason = ''): void {
    if (this.#isOver) return;
    if (status < 200) {
      // An interim answer is for the next hop only; 101 was not asked for.
      if (status === 101 || ++this.#interim > BOUNDS.upstreamInterim) this.#fail('invalid', `status ${status}`);
      return;
    }
    clearTimeout(this.#timer);
    this.#hasHead = true;
    this.#sink.head(status, reason, texts(controller.rawHeaders));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isOver) this.#sink.data(chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#load.underWay--;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sink.end(texts(controller.rawTrailers));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: NodeJS.ErrnoException): void {
    this.#load.underWay--;
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#isOver = true;
    const failure = this.#failureOf(error);
    if (this.isDispatched) this.#sink.failed(failure);
    else queueMicrotask(() => this.#sink.failed(failure));
  }

  #expect(detail: string): void {
    this.#timer = setTimeout(() => this.#fail('timeout', detail), this.#responseMs);
  }

  #fail(kind: UpstreamFailure['kind'], detail: string): void {
    const isSent = this.#controller !== null;
    this.abort();
    this.#sink.failed({ kind, isSent, isStale: false, detail });
  }

  #failureOf(error: NodeJS.ErrnoException): UpstreamFailure {
    const code = error.code ?? error.name;
    const isSent = this.#controller !== null;
    const isClosed = CLOSED.has(code);
    const isStale = isSent && isClosed && this.#isReused && !this.#hasAnswer;
    return { kind: kindOf(code, isSent, this.#hasAnswer), isSent, isStale, detail: code };
  }
}

/** Connections that ended: undici's name for a peer that closed, and the system's. */
const CLOSED: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);
const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);
const UNSENDABLE: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);

const ABORTED = new Error('given up by the gateway');

function kindOf(code: string, isSent: boolean, hasAnswer: boolean): UpstreamFailure['kind'] {
  if (TIMEOUTS.has(code)) return 'timeout';
  if (UNSENDABLE.has(code)) return 'unsendable';
  if (!isSent) return 'unreachable';
  // Closed or reset before a byte: nobody answers there. Everything else is an answer that is none.
  return CLOSED.has(code) && !(hasAnswer && code === 'UND_ERR_SOCKET') ? 'unreachable' : 'invalid';
}

function texts(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  return ((raw ?? []) as (Buffer | string)[]).map((part) =>
    typeof part === 'string' ? part : part.toString('latin1'),
  );
}
