// What four readers make of the same answer: ours alone, ours on a connection, Node's client, and undici's.
import { request as httpRequest } from 'node:http';
import { Client } from 'undici';
import { type AnswerHead, AnswerReader } from '../../src/wire/answer-reader.ts';
import { Connections } from '../../src/wire/connections.ts';
import type { UpstreamLimits } from '../../src/wire/exchange.ts';
import { ScriptedSocket } from './scripted-socket.ts';

/** A whole answer as a reader took it; one character an octet. */
export interface Reading {
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

/** Ours, with how many bytes came behind the answer, and what was odd about it. */
export interface OurReading extends Reading {
  readonly excess: number;
  readonly oddity: string | null;
}

/** Or why it would not take it. */
export type Outcome<T extends Reading = Reading> = T | { readonly refused: string };

export function isReading<T extends Reading>(outcome: Outcome<T>): outcome is T {
  return 'status' in outcome;
}

/** By our reader alone. */
export function readByOurs(pieces: readonly Buffer[], method: string): Outcome<OurReading> {
  const reader = new AnswerReader();
  let head: AnswerHead | null = null;
  let body = '';
  let left = pieces.reduce((sum, { length }) => sum + length, 0);
  reader.begin(method);
  for (const piece of pieces) {
    left -= piece.length;
    // The reader moves bodies together where they stand.
    reader.read(Buffer.from(piece), piece.length);
    head ??= reader.head;
    if (reader.flaw !== '') return { refused: reader.flaw };
    body += reader.body.toString('latin1', reader.from, reader.to);
    if (reader.isWhole) break;
  }
  if (!reader.isWhole && !reader.close()) return { refused: 'cut off' };
  return { ...headOf(head!), body, trailers: reader.trailers, excess: reader.excess + left, oddity: reader.oddity };
}

const LIMITS: UpstreamLimits = { connectTimeout: 2000, responseTimeout: 5000, idleTimeout: 5000, maxConnections: 64 };

/** By ours, over connections to a server that answers with those bytes. */
export function readByConnection(origin: string, path: string, method: string): Promise<Outcome> {
  const connections = new Connections(origin, LIMITS);
  return new Promise((resolve) => {
    let head: AnswerHead | null = null;
    let body = '';
    const over = (outcome: Outcome): void => {
      void connections.close();
      resolve(outcome);
    };
    const whole = (trailers: readonly string[]): void => over({ ...headOf(head!), body, trailers });
    const add = (part: string | Buffer | null): void => {
      body += typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
    };
    connections.send(
      { method, path, fields: [], body: null, contentLength: 0 },
      {
        whole: (all, text, trailers) => {
          head = all;
          add(text);
          whole(trailers);
        },
        head: (all, first) => {
          head = all;
          add(first);
        },
        data: (chunk, release) => {
          add(chunk);
          release?.();
        },
        end: whole,
        failed: ({ detail }) => over({ refused: detail }),
      },
      performance.now(),
    );
  });
}

/** By Node's client. */
export function readByNode(pieces: readonly Buffer[], method: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = new ScriptedSocket(pieces);
    const over = (outcome: Outcome): void => {
      resolve(outcome);
      socket.destroy();
    };
    const refuse = (error: NodeJS.ErrnoException): void => over({ refused: error.code ?? error.message });
    const request = httpRequest({ method, createConnection: () => socket });
    request
      .on('error', refuse)
      .on('upgrade', ({ statusCode }) => over({ refused: `status ${statusCode}` }))
      .on('response', (response) => {
        let body = '';
        response
          .setEncoding('latin1')
          .on('data', (text: string) => (body += text))
          .on('error', refuse)
          .on('end', () => {
            const { complete, statusCode = 0, rawHeaders, rawTrailers } = response;
            if (!complete) return over({ refused: 'cut off' });
            over({ status: statusCode, fields: rawHeaders.map(trimmed), body, trailers: rawTrailers.map(trimmed) });
          });
      })
      .end();
  });
}

/** By undici's. */
export function readByUndici(pieces: readonly Buffer[], method: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = new ScriptedSocket(pieces);
    const client = new Client('http://127.0.0.1:1', {
      allowH2: false,
      pipelining: 1,
      useMilo: false,
      connect: (_options, opened) => process.nextTick(opened, null, socket),
    });
    const over = (outcome: Outcome): void => {
      resolve(outcome);
      client.destroy().catch(() => {});
      socket.destroy();
    };
    let status = 0;
    let fields: readonly string[] = [];
    let body = '';
    socket.on('error', () => {});
    client.dispatch(
      { method, path: '/', headers: [] },
      {
        onRequestStart: () => {},
        onResponseStart: ({ rawHeaders }, statusCode) => {
          if (statusCode < 200) return;
          status = statusCode;
          fields = texts(rawHeaders);
        },
        onResponseData: (_controller, chunk) => {
          body += chunk.toString('latin1');
        },
        onResponseEnd: ({ rawTrailers }) => over({ status, fields, body, trailers: texts(rawTrailers) }),
        onResponseError: (_controller, error: NodeJS.ErrnoException) => over({ refused: error.code ?? error.message }),
      },
    );
  });
}

function headOf({ status, fields }: AnswerHead): Pick<Reading, 'status' | 'fields'> {
  return { status, fields };
}

function texts(raw: unknown): string[] {
  return ((raw ?? []) as (Buffer | string)[])
    .map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
    .map(trimmed);
}

/** Whitespace around a value is none of it (RFC 9112 section 5), though not every reader takes it away. */
function trimmed(text: string): string {
  return text.replaceAll(/^[ \t]+|[ \t]+$/g, '');
}
