// What accepts requests, behind one interface: node:http here. It owns connections, timeouts, parse errors
// and draining; what a request means is the front's business.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BOUNDS } from '../core/bounds.ts';
import type { Code } from '../core/reasons.ts';
import { endAndClose } from './close-behind.ts';

/** What a listener hands on. */
export interface Front {
  /** @param expectsContinue the client waits for 100 Continue before it sends the body */
  request(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void;
  /** An Expect other than 100-continue. */
  expectation(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Bytes that are no request; returns the answer's bytes. `firstLine` is what may be their request line. */
  malformed(code: Code, socket: Socket, firstLine: string): string;
}

export interface Listener {
  listen(host: string, port: number): Promise<AddressInfo>;
  /** Whether answers must carry `Connection: close`. */
  readonly isDraining: boolean;
  /** Stops accepting; resolves when the last connection has ended. Idle ones are closed after `BOUNDS.drainIdleMs`. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  cut(): void;
}

export function createListener(front: Front): Listener {
  return new NodeListener(front);
}

class NodeListener implements Listener {
  readonly #server: Server;
  readonly #front: Front;
  readonly #connections = new Map<Socket, Connection>();
  isDraining = false;

  constructor(front: Front) {
    this.#front = front;
    this.#server = createServer({
      // Target and header section have bounds of their own; this one only keeps the parser from going on.
      maxHeaderSize: BOUNDS.headerBytes + BOUNDS.targetBytes + 1024,
      headersTimeout: BOUNDS.headersTimeoutMs,
      // A large upload may take its time; a silent one is caught by the upstream's idleTimeout.
      requestTimeout: 0,
      keepAliveTimeout: BOUNDS.keepAliveTimeoutMs,
      connectionsCheckingInterval: 500,
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    });
    // Node drops fields above its own count silently; accept.ts counts them and refuses.
    this.#server.maxHeadersCount = 0;
    this.#server.maxConnections = BOUNDS.connections;
    this.#server
      .on('connection', (socket: Socket) => this.#connected(socket))
      .on('request', (request, response) => this.#request(request, response, false))
      .on('checkContinue', (request, response) => this.#request(request, response, true))
      .on('checkExpectation', (request, response) => {
        this.#track(request.socket, response);
        front.expectation(request, response);
      })
      .on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
      .on('connect', (request, socket, head) => this.#upgrade(request, socket, head))
      .on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) =>
        this.#malformed(error, socket),
      );
  }

  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  drain(): Promise<void> {
    this.isDraining = true;
    for (const [socket, connection] of this.#connections) this.#closeWhenIdle(socket, connection);
    return new Promise((resolve) => {
      // http.Server.close would cut idle connections at once, and with them requests already on their way.
      NetServer.prototype.close.call(this.#server, () => resolve());
    });
  }

  cut(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #connected(socket: Socket): void {
    const connection: Connection = { answers: new Set(), isUpgraded: false, idleTimer: undefined };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      clearTimeout(connection.idleTimer);
      this.#connections.delete(socket);
    });
    if (this.isDraining) this.#closeWhenIdle(socket, connection);
  }

  #request(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    this.#track(request.socket, response);
    this.#front.request(request, response, expectsContinue);
  }

  #track(socket: Socket, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (!connection) return;
    clearTimeout(connection.idleTimer);
    connection.answers.add(response);
    response.once('close', () => {
      connection.answers.delete(response);
      if (this.isDraining) this.#closeWhenIdle(socket, connection);
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const connection = this.#connections.get(request.socket);
    // An answer to an earlier, pipelined request is still being written on this socket.
    if (!connection || connection.answers.size > 0) {
      socket.destroy();
      return;
    }
    connection.isUpgraded = true;
    clearTimeout(connection.idleTimer);
    this.#front.upgrade(request, request.socket, head);
  }

  #malformed(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, duplex: Duplex): void {
    const socket = duplex as Socket;
    const code = codeOf(error);
    const connection = this.#connections.get(socket);
    const isAnswering = [...(connection?.answers ?? [])].some((response) => response.headersSent);
    if (code === null || isAnswering || !socket.writable || socket.bytesRead === 0) {
      socket.destroy();
      return;
    }
    const packet = error.rawPacket?.subarray(0, BOUNDS.targetBytes + 64).toString('latin1') ?? '';
    const lineEnd = packet.indexOf('\r\n');
    endAndClose(socket, this.#front.malformed(code, socket, lineEnd === -1 ? packet : packet.slice(0, lineEnd)));
  }

  #closeWhenIdle(socket: Socket, connection: Connection): void {
    clearTimeout(connection.idleTimer);
    if (connection.answers.size > 0 || connection.isUpgraded) return;
    connection.idleTimer = setTimeout(() => socket.destroySoon(), BOUNDS.drainIdleMs);
  }
}

interface Connection {
  /** Answers not yet finished. */
  readonly answers: Set<ServerResponse>;
  isUpgraded: boolean;
  idleTimer: NodeJS.Timeout | undefined;
}

/** What a parser's or socket's error means; null where nobody is left to answer. */
function codeOf({ code }: NodeJS.ErrnoException): Code | null {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  if (code === 'HPE_INVALID_METHOD') return 'method_not_allowed';
  return code?.startsWith('HPE_') ? 'ambiguous_request' : null;
}
