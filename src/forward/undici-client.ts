// Carries requests over undici's pool with a hand-written handler: `dispatch` is the cheapest way in, and the
// only one that tells a failed connection from a failed request.
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
  readonly #pool: Pool;
  readonly #limits: UpstreamLimits;
  #underWay = 0;
  /** Whether what starts now does so on a connection that was opened for it. */
  #isOpening = false;

  /** @param origin such as `http://127.0.0.1:3000` */
  constructor(origin: string, limits: UpstreamLimits) {
    this.#limits = limits;
    const connect = buildConnector({ allowH2: false, timeout: limits.connectTimeout });
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
      connect: (options, opened) => {
        connect(options, (...result) => {
          // The waiting request starts inside of this call.
          this.#isOpening = true;
          try {
            opened(...result);
          } finally {
            this.#isOpening = false;
          }
        });
      },
    });
  }

  get hasRoom(): boolean {
    return this.#underWay < this.#limits.maxConnections + BOUNDS.upstreamQueue;
  }

  send(request: UpstreamRequest, sink: AnswerSink): Exchange {
    const waitMs = this.#underWay >= this.#limits.maxConnections ? this.#limits.responseTimeout : null;
    this.#underWay++;
    const exchange = new UndiciExchange(
      sink,
      waitMs,
      () => !this.#isOpening,
      () => this.#underWay--,
    );
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
    return this.#pool.close();
  }
}

class UndiciExchange implements Exchange, Dispatcher.DispatchHandler {
  isDispatched = false;
  readonly #sink: AnswerSink;
  readonly #isOnReused: () => boolean;
  readonly #ended: () => void;
  #waiting: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | null = null;
  /** The sink is to hear nothing more. */
  #isOver = false;
  #isReused = false;
  #hasAnswer = false;
  #interim = 0;

  /** @param waitMs how long it may wait for a connection; null where one is free or can be opened */
  constructor(sink: AnswerSink, waitMs: number | null, isOnReused: () => boolean, ended: () => void) {
    this.#sink = sink;
    this.#isOnReused = isOnReused;
    this.#ended = ended;
    if (waitMs !== null) {
      this.#waiting = setTimeout(() => this.#fail('timeout', 'no connection became free'), waitMs);
    }
  }

  abort(): void {
    this.#isOver = true;
    clearTimeout(this.#waiting);
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
    clearTimeout(this.#waiting);
    this.#controller = controller;
    this.#isReused = this.#isOnReused();
    if (this.#isOver) controller.abort(ABORTED);
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
    this.#sink.head(status, reason, texts(controller.rawHeaders));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isOver) this.#sink.data(chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#ended();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sink.end(texts(controller.rawTrailers));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: NodeJS.ErrnoException): void {
    this.#ended();
    clearTimeout(this.#waiting);
    if (this.#isOver) return;
    this.#isOver = true;
    const failure = this.#failureOf(error);
    if (this.isDispatched) this.#sink.failed(failure);
    else queueMicrotask(() => this.#sink.failed(failure));
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
