// Carries one allowed request to its upstream and the answer back: streaming both ways at the slower side's
// pace, giving up promptly when either side does, and never answering twice.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BOUNDS } from '../core/bounds.ts';
import type { AnswerHead } from '../wire/answer-reader.ts';
import type { AnswerSink, Exchange, UpstreamFailure, UpstreamRequest } from '../wire/exchange.ts';
import { ClientAnswer } from './client-answer.ts';
import { type ConnectionWatcher, onceGone, unwatchConnection, watchConnection } from './client-gone.ts';
import { type BodyFault, RequestBody } from './request-body.ts';
import { returnedFields } from './returned-head.ts';
import type { Target, Upstream } from './targets.ts';

export interface ForwardJob {
  readonly upstream: Upstream;
  readonly method: string;
  /** Canonical path and query, without a credential. */
  readonly path: string;
  /** From `outgoingFields`. */
  readonly fields: readonly string[];
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly maxBodyBytes: number;
  /** The body's declared length, bytes; 0 without a body, null where it is chunked. */
  readonly contentLength: number | null;
  /** Name, value, name, value: added to the answer, in place of the upstream's of the same name. */
  readonly answerFields: readonly string[];
  /** Whether the client's connection is to end with this answer; asked when the answer begins. */
  readonly isLast: () => boolean;
  /** Called before the body is first read, when there is a connection: writes 100 Continue. */
  readonly beforeBody: (() => void) | null;
}

/** What became of a request. */
export type Forwarded = Answered | Failed;

/** The client got an answer, whole or in part, or went away before. */
export interface Answered {
  readonly kind: 'answered';
  /** The upstream's; 0 where the client went away before it. */
  readonly status: number;
  /** Bytes of the request's and the answer's body. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** To the answer's head, ms; null without one. */
  readonly upstreamMs: number | null;
  /** When the head was handed on, on `performance.now()`; null without one. */
  readonly headWrittenAt: number | null;
  /** Whether the client got all of it. Where not, its connection was cut so that it can tell. */
  readonly isComplete: boolean;
  /** Whether it was the client that gave up. */
  readonly clientGone: boolean;
  readonly detail: string | null;
}

/** Nothing was written to the client, but for a 100 Continue; the caller answers. */
export interface Failed {
  readonly kind: 'failed';
  readonly code: FailureCode;
  readonly bytesIn: number;
  /** For the log. */
  readonly detail: string;
}

export type FailureCode =
  | 'upstream_unreachable'
  | 'upstream_invalid'
  | 'upstream_timeout'
  | 'no_healthy_target'
  | 'body_too_large'
  | 'request_timeout';

/** Who is told how a request ended: one of these is called, once, and maybe before {@link forward} has returned. */
export interface ForwardOwner {
  forwardEnded(forwarded: Forwarded): void;
  /** A defect of ours ended it; also one of {@link forwardEnded}. */
  forwardBroke(defect: Error): void;
}

/** A request that is being forwarded, as its owner may end it before its time. */
export interface Underway {
  /** Whether an answer has begun. */
  readonly isAnswering: boolean;
  /** Bytes of the request's body, or of a tunnel, that were taken so far. */
  readonly bytesIn: number;
  /**
   * Ends it, upstream too. True: an answer had begun, which was cut so that the client can tell, and the owner is told.
   * False: the client got nothing yet; nothing more is said, and the owner answers.
   */
  breakOff(): boolean;
}

/** Forwards a request. */
export function forward(job: ForwardJob, owner: ForwardOwner): Underway {
  const forwarding = new Forwarding(job, owner);
  forwarding.begin();
  return forwarding;
}

class Forwarding implements AnswerSink, ConnectionWatcher, UpstreamRequest, Underway {
  readonly body: RequestBody | null;
  readonly #job: ForwardJob;
  readonly #owner: ForwardOwner;
  readonly #answer: ClientAnswer;
  readonly #startedAt = performance.now();
  #headAt: number | null = null;
  #exchange: Exchange | null = null;
  #tried: readonly Target[] = NO_TARGETS;
  #retriesLeft: number;
  #mayBeStale: boolean;
  #isWhole = false;
  #isOver = false;
  #detail: string | null = null;

  constructor(job: ForwardJob, owner: ForwardOwner) {
    this.#job = job;
    this.#owner = owner;
    const { idleTimeout, retries } = job.upstream.config;
    const { contentLength, maxBodyBytes } = job;
    this.body =
      contentLength === 0
        ? null
        : new RequestBody(
            job.request,
            { maxBytes: maxBodyBytes, contentLength, idleMs: idleTimeout },
            job.beforeBody,
            (fault) => this.#bodyFailed(fault),
          );
    this.#answer = new ClientAnswer(job.response, idleTimeout, () => this.#exchange?.resume());
    this.#retriesLeft = retries;
    this.#mayBeStale = this.body === null && IDEMPOTENT.has(job.method);
  }

  get method(): string {
    return this.#job.method;
  }

  get path(): string {
    return this.#job.path;
  }

  get fields(): readonly string[] {
    return this.#job.fields;
  }

  get contentLength(): number | null {
    return this.#job.contentLength;
  }

  begin(): void {
    const { contentLength, maxBodyBytes, request, response } = this.#job;
    // Without a body nothing but the connection's end can end the response before its answer.
    if (this.body === null) watchConnection(request.socket, this);
    else onceGone(request, response, () => this.clientClosed());
    if (contentLength !== null && contentLength > maxBodyBytes) return this.#fail('body_too_large', 'declared length');
    this.#attempt(this.#startedAt);
  }

  #attempt(now: number): void {
    const { upstream } = this.#job;
    const target = upstream.next(this.#tried);
    if (!target) return this.#fail('no_healthy_target', upstream.name);
    this.#tried = this.#tried.length === 0 ? target.alone : [...this.#tried, target];
    this.#exchange = target.client.send(this, this, now);
  }

  whole(head: AnswerHead, body: string | Buffer, trailers: readonly string[]): void {
    if (!this.#begin(head)) return;
    this.#end(body, trailers);
  }

  head(head: AnswerHead, first: string | Buffer | null): void {
    if (!this.#begin(head)) return;
    if (first === null) this.#answer.flush();
    else this.data(first, null);
  }

  data(chunk: string | Buffer, release: (() => void) | null): void {
    if (this.#isOver) release?.();
    else if (!this.#answer.write(chunk, release)) this.#exchange?.pause();
  }

  end(trailers: readonly string[]): void {
    if (!this.#isOver) this.#end('', trailers);
  }

  failed(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    if (this.#headAt !== null) return this.#cut(failure.detail);
    if (this.#mayRetry(failure)) return this.#attempt(performance.now());
    if (failure.kind === 'unsendable') {
      this.#stop();
      return this.#owner.forwardBroke(new Error(`a request could not be written: ${failure.detail}`));
    }
    this.#fail(`upstream_${failure.kind}`, failure.detail);
  }

  get isAnswering(): boolean {
    return this.#headAt !== null;
  }

  get bytesIn(): number {
    return this.body?.bytes ?? 0;
  }

  breakOff(): boolean {
    if (!this.isAnswering) this.#stop();
    else if (!this.#isOver) this.#cut(null);
    return this.isAnswering;
  }

  /**
   * The client can only tell a cut answer from a whole one by its connection. What was good goes out before: Node
   * holds writes back to the end of a turn.
   */
  #cut(detail: string | null): void {
    this.#detail = detail;
    this.#stop();
    process.nextTick(cut, this.#job.response);
    this.#conclude(false);
  }

  /** Only what no target can have seen is sent again; a body has then not been touched. */
  #mayRetry({ kind, isSent, isStale, hasWaited }: UpstreamFailure): boolean {
    if (kind === 'unsendable' || hasWaited) return false;
    if (!isSent) return this.#retriesLeft-- > 0;
    if (!isStale || !this.#mayBeStale) return false;
    this.#mayBeStale = false;
    this.#tried = this.#tried.slice(0, -1);
    return true;
  }

  /** Begins the client's answer; false if it cannot be. */
  #begin({ status, reason, fields }: AnswerHead): boolean {
    if (this.#isOver) return false;
    const passed = returnedFields(status, fields, this.#job.answerFields);
    // An answer before the whole body was read may be the last thing that is understood on the connection.
    if (this.#hasUnreadBody() || this.#job.isLast()) passed.push('Connection', 'close');
    if (!this.#answer.begin(status, reason, passed)) {
      this.#fail('upstream_invalid', 'a field cannot be passed on');
      return false;
    }
    this.#headAt = performance.now();
    return true;
  }

  #end(last: string | Buffer, trailers: readonly string[]): void {
    this.#isWhole = true;
    this.#detail = this.#exchange?.oddity ?? null;
    if (this.#hasUnreadBody()) return this.#endBehindBody(last, trailers);
    const { request, response, answerFields } = this.#job;
    if (this.#answer.end(last, trailers, answerFields)) {
      this.#stop();
      this.#conclude(false);
    } else if (this.body === null && !response.destroyed) onceGone(request, response, () => this.clientClosed());
  }

  #hasUnreadBody(): boolean {
    return this.body !== null && !this.body.isEnded;
  }

  /**
   * The upstream has answered without the rest of the body, and its connection is gone. What the client still
   * sends is read away for a while before the answer ends: closing at once would reset the connection, and
   * the client would lose the answer (RFC 9112 section 9.6).
   */
  #endBehindBody(last: string | Buffer, trailers: readonly string[]): void {
    const { request, answerFields } = this.#job;
    this.body?.stop();
    if (last.length > 0) this.#answer.write(last, null);
    else this.#answer.flush();
    let dropped = 0;
    const end = (): void => {
      clearTimeout(timer);
      request.off('data', drop).off('end', end);
      if (!this.#isOver) this.#answer.end('', trailers, answerFields);
    };
    const drop = (chunk: Buffer): void => {
      dropped += chunk.length;
      if (dropped > BOUNDS.lingerBytes) end();
    };
    const timer = setTimeout(end, BOUNDS.lingerMs);
    request.on('data', drop).on('end', end).resume();
  }

  #bodyFailed(fault: BodyFault): void {
    if (this.#isOver) return;
    if (fault === 'cut') return this.clientClosed();
    if (this.#headAt === null)
      return this.#fail(fault === 'silent' ? 'request_timeout' : 'body_too_large', 'while streaming');
    this.#detail = fault;
    this.#stop();
    this.#job.response.destroy();
    this.#conclude(false);
  }

  #fail(code: FailureCode, detail: string): void {
    this.#stop();
    this.#tell({ kind: 'failed', code, bytesIn: this.bytesIn, detail });
  }

  /** The client's side has closed: after a whole answer as it should, or before. */
  clientClosed(): void {
    if (this.#isOver) return;
    const isComplete = this.#isWhole && this.#job.response.writableFinished;
    this.#stop();
    this.#conclude(!isComplete);
  }

  #stop(): void {
    this.#isOver = true;
    unwatchConnection(this.#job.request.socket, this);
    this.body?.stop();
    if (!this.#isWhole) this.#exchange?.abort();
  }

  #conclude(clientGone: boolean): void {
    this.#tell({
      kind: 'answered',
      status: this.#answer.status,
      bytesIn: this.bytesIn,
      bytesOut: this.#answer.bytes,
      upstreamMs: this.#headAt === null ? null : this.#headAt - this.#startedAt,
      headWrittenAt: this.#headAt,
      isComplete: this.#isWhole && !clientGone,
      clientGone,
      detail: this.#detail,
    });
  }

  /** A defect in what the owner does with it must not get at whoever called, which is often a socket. */
  #tell(forwarded: Forwarded): void {
    try {
      this.#owner.forwardEnded(forwarded);
    } catch (defect) {
      this.#owner.forwardBroke(defect as Error);
    }
  }
}

const NO_TARGETS: readonly Target[] = [];

function cut(response: ServerResponse): void {
  // An answer that ends with its connection (to HTTP/1.0, without a length) would look whole behind an orderly end.
  if (!response.useChunkedEncodingByDefault) response.socket?.resetAndDestroy();
  response.destroy();
}

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
