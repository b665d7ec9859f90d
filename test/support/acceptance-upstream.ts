// An upstream that remembers every request as it came in and answers as a test tells it to.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';
import { WebSocketServer } from 'ws';

/** One request as the upstream got it. */
export interface SeenRequest {
  readonly method: string;
  /** The request target, byte for byte. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** All that came of the body so far. */
  body: Buffer;
  /** All values of a header, joined by `, `; undefined where there is none. */
  header(name: string): string | undefined;
}

/** Answers one request; it may look at what came, and may wait. */
export type Answer = (request: IncomingMessage, response: ServerResponse, seen: SeenRequest) => void;

export interface Upstream {
  readonly port: number;
  readonly url: string;
  /** What came in, oldest first. */
  readonly seen: SeenRequest[];
  /** Responses of requests whose path ends in `/hold`: unanswered until a test ends them. */
  readonly held: ServerResponse[];
  /** The last request. @throws Error where there was none */
  last(): SeenRequest;
  /** Answers all held requests with 200. */
  release(): void;
  close(): Promise<void>;
}

/**
 * Starts an upstream on a free port. Unless `answer` says otherwise it reads the body and answers 200 with
 * a small JSON document; `/hold` waits for the test; a WebSocket handshake is accepted and echoes.
 */
export async function startUpstream(answer: Answer = answerPlainly): Promise<Upstream> {
  const seen: SeenRequest[] = [];
  const held: ServerResponse[] = [];
  const listener: RequestListener = (request, response) => {
    const record = recordOf(request);
    seen.push(record);
    request.on('data', (bytes: Buffer) => (record.body = Buffer.concat([record.body, bytes])));
    request.on('error', () => response.destroy());
    if (record.target.split('?')[0]?.endsWith('/hold')) held.push(response);
    else answer(request, response, record);
  };
  const server = createServer({ maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000 }, listener);
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    seen.push(recordOf(request));
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data as Buffer, { binary: isBinary }));
      webSocket.on('error', () => webSocket.terminate());
    });
  });
  const port = await listen(server);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    seen,
    held,
    last: () => {
      const request = seen.at(-1);
      if (!request) throw new Error('nothing reached the upstream');
      return request;
    },
    release: () => {
      for (const response of held.splice(0)) response.end('released');
    },
    close: async () => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A server that is not HTTP: the test has the sockets. */
export async function startSocketServer(
  take: (socket: Socket) => void,
): Promise<{ readonly url: string; readonly port: number; close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createSocketServer((socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
    take(socket);
  });
  const port = await listen(server);
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, url: `http://127.0.0.1:${port}`, close };
}

function answerPlainly(request: IncomingMessage, response: ServerResponse, seen: SeenRequest): void {
  request.on('end', () => {
    const body = JSON.stringify({ upstream: true, target: seen.target, bytes: seen.body.length });
    response.setHeader('Content-Type', 'application/json');
    response.end(body);
  });
  request.resume();
}

function recordOf(request: IncomingMessage): SeenRequest {
  const headers: [string, string][] = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    headers.push([request.rawHeaders[at] as string, request.rawHeaders[at + 1] as string]);
  }
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    headers,
    body: Buffer.alloc(0),
    header: (name) => {
      const values = headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
      return values.length === 0 ? undefined : values.join(', ');
    },
  };
}

function listen(server: ReturnType<typeof createSocketServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
