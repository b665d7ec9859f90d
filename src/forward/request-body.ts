// A client's request body as an async iterable that touches the request only when it is first asked, so that
// a failed connection leaves it whole for the next target; counted, and bounded in size and silence.
import type { IncomingMessage } from 'node:http';

/** Why a body came to no good end: too many bytes, no byte for too long, or the client went away. */
export type BodyFault = 'too_large' | 'silent' | 'cut';

export interface BodyBounds {
  /** Largest body, bytes. */
  readonly maxBytes: number;
  /** Declared length, bytes; null where chunked. */
  readonly contentLength: number | null;
  /** Longest silence of the client while it is being read, ms. */
  readonly idleMs: number;
}

/** Trailers are not read: they are never part of what was authorised. */
export class RequestBody implements AsyncIterableIterator<Buffer> {
  /** Bytes read so far. */
  bytes = 0;
  readonly #request: IncomingMessage;
  readonly #bounds: BodyBounds;
  readonly #beforeFirst: (() => void) | null;
  readonly #onFault: (fault: BodyFault) => void;
  #state: 'untouched' | 'reading' | 'ended' | 'stopped' = 'untouched';
  #waiter: { resolve: (result: IteratorResult<Buffer>) => void; reject: (reason: Error) => void } | null = null;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param beforeFirst called once, before the first byte is read
   * @param onFault called once, if it comes to no good end; the iterator then rejects
   */
  constructor(
    request: IncomingMessage,
    bounds: BodyBounds,
    beforeFirst: (() => void) | null,
    onFault: (fault: BodyFault) => void,
  ) {
    this.#request = request;
    this.#bounds = bounds;
    this.#beforeFirst = beforeFirst;
    this.#onFault = onFault;
  }

  /** Whether all of the body was read. */
  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.#state === 'untouched') this.#begin();
    if (this.#state === 'ended') return DONE;
    if (this.#state === 'stopped') return Promise.reject(STOPPED);
    const chunk = this.#request.read() as Buffer | null;
    if (chunk !== null)
      return this.#take(chunk) ? Promise.resolve({ done: false, value: chunk }) : Promise.reject(STOPPED);
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#waiter && this.#fault('silent'), this.#bounds.idleMs);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Buffer>> {
    this.stop();
    return DONE;
  }

  /** Reads no further. What is left of the request is as if nobody had listened. */
  stop(): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'reading') this.#release();
    if (this.#state !== 'ended') this.#state = 'stopped';
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.reject(STOPPED);
  }

  #begin(): void {
    this.#state = 'reading';
    this.#request.on('readable', this.#readable).on('end', this.#ended).on('close', this.#closed).on('error', ignore);
    this.#beforeFirst?.();
    if (this.#request.destroyed) this.#closed();
  }

  #release(): void {
    clearTimeout(this.#timer);
    this.#request.off('readable', this.#readable).off('end', this.#ended).off('close', this.#closed);
  }

  /** Counts a chunk; false if it is one too many. */
  #take(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (this.bytes > this.#bounds.maxBytes) {
      this.#fault('too_large');
      return false;
    }
    if (this.bytes === this.#bounds.contentLength) this.#finish();
    return true;
  }

  #finish(): void {
    this.#release();
    this.#state = 'ended';
    // Nothing but the end is left; it has to be read for the next request to come.
    this.#request.resume();
  }

  #fault(fault: BodyFault): void {
    this.stop();
    this.#onFault(fault);
  }

  readonly #readable = (): void => {
    if (!this.#waiter) return;
    const chunk = this.#request.read() as Buffer | null;
    if (chunk === null) return;
    const { resolve } = this.#waiter;
    if (!this.#take(chunk)) return;
    this.#waiter = null;
    resolve({ done: false, value: chunk });
  };

  readonly #ended = (): void => {
    const { contentLength } = this.#bounds;
    if (!this.#request.complete || (contentLength !== null && this.bytes !== contentLength)) return this.#fault('cut');
    this.#finish();
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve({ done: true, value: undefined });
  };

  readonly #closed = (): void => {
    if (this.#state === 'reading') this.#fault('cut');
  };
}

const DONE: Promise<IteratorResult<Buffer>> = Promise.resolve({ done: true, value: undefined });
const STOPPED = new Error('the body is read no further');

function ignore(): void {}
