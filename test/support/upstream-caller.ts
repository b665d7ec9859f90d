// Requests over connections of ours to an upstream that does as scripted, and what came of each.
import type { AnswerHead } from '../../src/wire/answer-reader.ts';
import { Connections } from '../../src/wire/connections.ts';
import type { Exchange, UpstreamFailure, UpstreamLimits, UpstreamRequest } from '../../src/wire/exchange.ts';
import { inTime } from './acceptance-wait.ts';
import { type RecordingUpstream, type Script, startRecordingUpstream } from './recording-upstream.ts';

/** A request under way. */
export interface Call {
  readonly exchange: Exchange;
  /** What was heard of it so far. */
  head: AnswerHead | null;
  body: string;
  trailers: readonly string[];
  failure: UpstreamFailure | null;
  /** How many times the sink was called. */
  told: number;
  /** Settles when it has ended. */
  readonly over: Promise<void>;
}

export interface UpstreamCaller {
  readonly upstream: RecordingUpstream;
  readonly connections: Connections;
  readonly limits: UpstreamLimits;
  /** Sends a request; GET / without a body where nothing else is said. */
  readonly send: (request?: Partial<UpstreamRequest>) => Call;
  /** Sends one and waits for its end. */
  readonly ask: (request?: Partial<UpstreamRequest>) => Promise<Call>;
  readonly close: () => Promise<void>;
}

const LIMITS: UpstreamLimits = { connectTimeout: 1000, responseTimeout: 5000, idleTimeout: 5000, maxConnections: 256 };

export async function startUpstreamCaller(
  script: Script,
  limits: Partial<UpstreamLimits> = {},
): Promise<UpstreamCaller> {
  const upstream = await startRecordingUpstream(script);
  const inForce = { ...LIMITS, ...limits };
  const connections = new Connections(upstream.origin, inForce);
  return {
    upstream,
    connections,
    limits: inForce,
    send: (request = {}) => call(connections, request),
    ask: sendingOver(connections),
    close: async () => {
      await upstream.close();
      await connections.close();
    },
  };
}

/** Sends a request over connections of the caller's, and waits for its end. */
export function sendingOver(connections: Connections): UpstreamCaller['ask'] {
  return async (request = {}) => {
    const sent = call(connections, request);
    await inTime(sent.over, 'the end of a request');
    return sent;
  };
}

function call(connections: Connections, request: Partial<UpstreamRequest>): Call {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const add = (part: string | Buffer | null): void => {
    made.told++;
    made.body += typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
  };
  const end = (trailers: readonly string[]): void => {
    made.trailers = trailers;
    resolve();
  };
  const exchange = connections.send(
    { method: 'GET', path: '/', fields: [], body: null, contentLength: 0, ...request },
    {
      whole: (head, body, trailers) => {
        made.head = head;
        add(body);
        end(trailers);
      },
      head: (head, first) => {
        made.head = head;
        add(first);
      },
      data: (chunk, release) => {
        add(chunk);
        release?.();
      },
      end,
      failed: (failure) => {
        made.told++;
        made.failure = failure;
        resolve();
      },
    },
    performance.now(),
  );
  const made: Call = { exchange, head: null, body: '', trailers: [], failure: null, told: 0, over };
  return made;
}
