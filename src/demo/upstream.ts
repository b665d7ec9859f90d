// The sample upstream "orders": an API as a team might have one, which knows nothing of keys. It shows what
// the gateway told it of the caller.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocketServer } from 'ws';

export interface SampleUpstream {
  /** Such as `http://127.0.0.1:3000`. */
  readonly origin: string;
  close(): Promise<void>;
}

interface Order {
  readonly id: number;
  readonly item: string;
  readonly status: 'open' | 'shipped';
}

const ORDERS: readonly Order[] = [
  { id: 7, item: 'a dozen pencils', status: 'shipped' },
  { id: 8, item: 'one globe', status: 'open' },
];
const EVENTS = 5;
const EVENT_EVERY_MS = 400;

/** Starts it; port 0 takes any that is free. */
export async function startUpstream(port: number, host = '127.0.0.1'): Promise<SampleUpstream> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const sockets = serveSocket(server);
  server.listen(port, host);
  await once(server, 'listening');
  return {
    origin: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://upstream').pathname;
  request.resume();
  if (path === '/healthz') return json(response, 200, { healthy: true });
  if (path === '/orders') return json(response, 200, { orders: ORDERS, caller: callerOf(request) });
  if (path === '/orders/events') return sendEvents(response);
  if (path === '/docs') return json(response, 200, { title: 'The orders API', routes: ['/orders', '/orders/7'] });
  if (path.startsWith('/reports/')) return json(response, 200, { report: path.slice('/reports/'.length), open: 1 });
  const order = ORDERS.find(({ id }) => path === `/orders/${id}`);
  if (order) return json(response, 200, { ...order, caller: callerOf(request) });
  return json(response, 404, { error: `the orders API has no ${path}` });
}

/** What the gateway says of the caller; the key itself never gets here. */
function callerOf({ headers }: IncomingMessage): Record<string, unknown> {
  return {
    owner: headers['x-consumer-id'],
    key: headers['x-credential-identifier'],
    scopes: headers['x-authenticated-scope'],
    address: headers['x-forwarded-for'],
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

async function sendEvents(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  for (let number = 1; number <= EVENTS && !response.destroyed; number += 1) {
    response.write(`event: order\ndata: {"number":${number},"at":"${new Date().toISOString()}"}\n\n`);
    await pause(EVENT_EVERY_MS);
  }
  response.end();
}

/** Greets, then sends back whatever it gets. */
function serveSocket(server: Server): WebSocketServer {
  const sockets = new WebSocketServer({ server, path: '/orders/socket' });
  sockets.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.send('hello from the orders API');
  });
  return sockets;
}
