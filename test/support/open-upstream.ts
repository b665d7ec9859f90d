// An upstream whose answers do not end by themselves: `/stream` goes on, `/hold` is silent, an upload is read for as
// long as it comes, and a WebSocket echoes until it is asked to `close` or to `break`. It counts what is open.
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';

export interface OpenUpstream {
  readonly url: string;
  /** Connections that are open now. */
  readonly connections: ReadonlySet<Socket>;
  /** Paths of the requests that came, oldest first. */
  readonly seen: readonly string[];
  close(): Promise<void>;
}

/** Between two events of a stream, ms. */
const EVENT_MS = 20;

export async function startOpenUpstream(): Promise<OpenUpstream> {
  const connections = new Set<Socket>();
  const seen: string[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    seen.push(request.url ?? '');
    request.on('error', () => response.destroy()).resume();
    if (request.url?.startsWith('/stream')) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const timer = setInterval(() => response.write('data: tick\n\n'), EVENT_MS);
      response.on('close', () => clearInterval(timer));
    } else if (request.url?.startsWith('/quick')) {
      response.end('done');
    }
  });
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => connections.delete(socket));
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    seen.push(request.url ?? '');
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data: Buffer, isBinary) => {
        const asked = data.toString();
        if (asked === 'close') webSocket.close(1000);
        else if (asked === 'break') webSocket.terminate();
        else webSocket.send(data, { binary: isBinary });
      });
      webSocket.on('error', () => webSocket.terminate());
    });
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    seen,
    close: async () => {
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
