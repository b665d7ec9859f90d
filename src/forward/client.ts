// What carries a request's bytes to one target and the answer's back, behind one small interface: forwarding
// (retries, what the client gets) does not know what is below.

/** A request as the target gets it. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Name, value, name, value; without Host, Connection and framing, which the client writes. */
  readonly fields: readonly string[];
  /** Read from the first byte only once there is a connection; null without a body. */
  readonly body: AsyncIterable<Buffer> | null;
  /** The body's declared length, bytes; null sends it chunked. */
  readonly contentLength: number | null;
}

/** Told of an answer as it comes. After `end` or `failed` nothing follows. Never called before `send` has returned. */
export interface AnswerSink {
  /**
   * The final head.
   * @param rawHeaders name, value, name, value, one character a byte
   */
  head(status: number, reason: string, rawHeaders: readonly string[]): void;
  data(chunk: Buffer): void;
  /** @param rawTrailers name, value, name, value */
  end(rawTrailers: readonly string[]): void;
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
  /** For the log. */
  readonly detail: string;
}

/** One request on its way. */
export interface Exchange {
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
  send(request: UpstreamRequest, sink: AnswerSink): Exchange;
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
