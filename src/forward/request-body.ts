// A client's request body, which touches the request only when it is first asked, so that a failed connection
// leaves it whole for the next target; counted, and bounded in size and silence.
import type { IncomingMessage } from 'node:http';
import type { BodySink, BodySource } from '../wire/exchange.ts';
import { type Timed, unwatch, watch } from '../wire/sweep.ts';

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
export class RequestBody implements BodySource, Timed {
  /** Bytes read so far. */
  bytes = 0;
  /** While it waits for the client. */
  deadlineAt = Infinity;
  readonly #request: IncomingMessage;
  readonly #bounds: BodyBounds;
  readonly #beforeFirst: (() => void) | null;
  readonly #onFault: (fault: BodyFault) => void;
  #state: 'untouched' | 'reading' | 'ended' | 'stopped' = 'untouched';
  #sink: BodySink | null = null;
  #hasRoom = true;

  /**
   * @param beforeFirst called once, before the first byte is read
   * @param onFault called once, if it comes to no good end; nothing more is given then
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

  open(): Buffer | null {
    if (this.#state !== 'untouched') return null;
    this.#state = 'reading';
    this.#beforeFirst?.();
    const chunk = this.#read();
    if (chunk === null && this.#isReadOut()) this.#finish();
    return chunk;
  }

  flow(sink: BodySink): void {
    if (this.#state !== 'reading') return;
    this.#sink = sink;
    this.#request.on('readable', this.#pump).on('end', this.#ended).on('close', this.#closed).on('error', ignore);
    if (this.#request.destroyed) this.#closed();
    else this.#pump();
  }

  resume(): void {
    this.#hasRoom = true;
    this.#pump();
  }

  /** Reads no further. What is left of the request is as if nobody had listened. */
  stop(): void {
    if (this.#state === 'reading') this.#release();
    if (this.#state !== 'ended') this.#state = 'stopped';
  }

  /** The client was silent for too long. */
  expired(): void {
    this.#fault('silent');
  }

  readonly #pump = (): void => {
    while (this.#state === 'reading' && this.#hasRoom) {
      const chunk = this.#read();
      if (chunk === null) break;
      this.#hasRoom = this.#sink!.take(chunk, this.isEnded);
    }
    if (this.#state !== 'reading') return;
    this.deadlineAt = this.#hasRoom ? performance.now() + this.#bounds.idleMs : Infinity;
    watch(this);
  };

  /** What is there; null where nothing is, or too much was. */
  #read(): Buffer | null {
    const chunk = this.#request.read() as Buffer | null;
    if (chunk === null) return null;
    this.bytes += chunk.length;
    if (this.bytes > this.#bounds.maxBytes) {
      this.#fault('too_large');
      return null;
    }
    const { contentLength } = this.#bounds;
    if (contentLength !== null && this.bytes > contentLength) {
      // They would be taken for the next request; whoever parsed the request has not let this come to be.
      this.#fault('cut');
      return null;
    }
    if (this.bytes === contentLength || this.#isReadOut()) this.#finish();
    return chunk;
  }

  /** Whether a chunked body is known to have no more bytes. */
  #isReadOut(): boolean {
    return this.#bounds.contentLength === null && this.#request.complete && this.#request.readableLength === 0;
  }

  #finish(): void {
    this.#release();
    this.#state = 'ended';
    // Nothing but the end is left; it has to be read for the next request to come.
    this.#request.resume();
  }

  #release(): void {
    unwatch(this);
    if (this.#sink === null) return;
    this.#request.off('readable', this.#pump).off('end', this.#ended).off('close', this.#closed);
  }

  #fault(fault: BodyFault): void {
    this.stop();
    this.#onFault(fault);
  }

  readonly #ended = (): void => {
    const { contentLength } = this.#bounds;
    if (!this.#request.complete || (contentLength !== null && this.bytes !== contentLength)) return this.#fault('cut');
    this.#finish();
    this.#sink?.take(null, true);
  };

  readonly #closed = (): void => {
    if (this.#state === 'reading') this.#fault('cut');
  };
}

function ignore(): void {}
