// What carries a request's bytes to one target and the answer's back, behind one small interface: forwarding
// (retries, what the client gets) does not know what is below. Bodies are pushed, at the pace of who takes them.
import type { AnswerHead } from './answer-reader.ts';

/** A request as the target gets it. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Name, value, name, value, one character an octet; without Host, Connection and framing, which are written here. */
  readonly fields: readonly string[];
  /** Null without a body. */
  readonly body: BodySource | null;
  /** The body's declared length, bytes; null sends it chunked. */
  readonly contentLength: number | null;
}

/** A request's body, untouched until there is a connection. */
export interface BodySource {
  /** Begins to read. Called once; gives what is there already, null where nothing is. */
  open(): Buffer | null;
  /** Whether all of it was given. */
  readonly isEnded: boolean;
  /** Goes on reading, into `sink`. */
  flow(sink: BodySink): void;
  /** There is room again, after {@link BodySink.take} gave false. */
  resume(): void;
}

export interface BodySink {
  /**
   * Takes a part of a body.
   * @param chunk null where only the end has come
   * @returns false if there is no room for more
   */
  take(chunk: Buffer | null, isLast: boolean): boolean;
}

/**
 * Told of an answer as it comes: `whole`, or `head`, any `data` and `end`, or, at any point before the last,
 * `failed`. Never called before `send` has returned.
 */
export interface AnswerSink {
  /**
   * An answer that came at once.
   * @param body a small one as text, one character an octet
   * @param trailers name, value, name, value
   */
  whole(head: AnswerHead, body: string | Buffer, trailers: readonly string[]): void;
  /** @param first the body's first bytes, if any came with the head; small ones as text */
  head(head: AnswerHead, first: string | Buffer | null): void;
  /** @param release to be called when the chunk is not needed any more; null where the chunk is the sink's own */
  data(chunk: Buffer, release: (() => void) | null): void;
  /** @param trailers name, value, name, value */
  end(trailers: readonly string[]): void;
  failed(failure: UpstreamFailure): void;
}

/** Why there is no answer, or no whole one. */
export interface UpstreamFailure {
  /** `unsendable`: the request itself could not be written, a defect of ours. */
  readonly kind: 'unreachable' | 'timeout' | 'invalid' | 'unsendable';
  /** Whether a byte of the request may have reached the target. */
  readonly isSent: boolean;
  /** A kept-alive connection that the target had closed: it never looked at the request. */
  readonly isStale: boolean;
  /** No connection to the target became free in time, and the time for an answer is used up. */
  readonly hasWaited?: true;
  /** For the log. */
  readonly detail: string;
}

/** One request on its way. */
export interface Exchange {
  /** What was odd about an answer that was passed on nevertheless, for the log; null mostly. */
  readonly oddity: string | null;
  /** Gives the request up; its sink hears nothing more. The connection is not used again. */
  abort(): void;
  /** Stops `data` until {@link resume}. */
  pause(): void;
  resume(): void;
}

/** Connections to one target. */
export interface UpstreamClient {
  /** False while as many requests wait for a connection as may. */
  readonly hasRoom: boolean;
  /** @param now on `performance.now()` */
  send(request: UpstreamRequest, sink: AnswerSink, now: number): Exchange;
  /** Ends the connections once the requests under way have ended; may be called again. */
  close(): Promise<void>;
}

/** Times and bounds of one upstream: ms and counts. */
export interface UpstreamLimits {
  readonly connectTimeout: number;
  readonly responseTimeout: number;
  readonly idleTimeout: number;
  readonly maxConnections: number;
}
