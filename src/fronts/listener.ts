// What accepts requests, behind one interface: node:http here. It owns connections, timeouts, parse errors
// and draining; what a request means is the front's business.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BOUNDS } from '../core/bounds.ts';
import type { Code } from '../core/reasons.ts';
import { peerOf } from './accept.ts';
import { endAndClose } from './close-behind.ts';

/** What a listener hands on. */
export interface Front {
  /** @param expectsContinue the client waits for 100 Continue before it sends the body */
  request(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void;
  /** An Expect other than 100-continue. */
  expectation(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Bytes that are no request; returns the answer's bytes. `excerpt` begins with what may be their request line. */
  malformed(code: Code, socket: Socket, excerpt: string): string;
  /** The rest of a request's body cannot be read. */
  brokenBody(response: ServerResponse): void;
}

export interface Listener {
  /** @param isShared other processes listen there too, and the system spreads the connections over them */
  listen(host: string, port: number, isShared: boolean): Promise<AddressInfo>;
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
        this.#track(request, response);
        front.expectation(request, response);
      })
      .on('upgrade', (request, _socket, head) => this.#upgrade(request, head))
      .on('connect', (request, _socket, head) => this.#upgrade(request, head))
      .on('clientError', (error: ParseError, socket) => this.#malformed(error, socket));
  }

  listen(host: string, port: number, isShared: boolean): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024, reusePort: isShared }, () => {
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
    // Node drops its own listener at an upgrade, long before anything else listens: a reset must end one connection.
    socket.on('error', ignore);
    // A peer that is gone already is nobody to answer; later its address could no longer be asked for.
    if (!peerOf(socket)) return void socket.destroy();
    const connection: Connection = { answers: new Map(), isUpgraded: false, lastWords: null, idleTimer: undefined };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      clearTimeout(connection.idleTimer);
      this.#connections.delete(socket);
    });
    if (this.isDraining) this.#closeWhenIdle(socket, connection);
  }

  #request(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    this.#track(request, response);
    this.#front.request(request, response, expectsContinue);
  }

  #track(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (!connection) return;
    clearTimeout(connection.idleTimer);
    connection.answers.set(response, request);
    response.once('close', () => {
      connection.answers.delete(response);
      if (connection.answers.size === 0 && connection.lastWords !== null) endAndClose(socket, connection.lastWords());
      else if (this.isDraining) this.#closeWhenIdle(socket, connection);
    });
  }

  #upgrade(request: IncomingMessage, head: Buffer): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (!connection) return void socket.destroy();
    clearTimeout(connection.idleTimer);
    if (connection.answers.size > 0) {
      // An answer to an earlier, pipelined request is still being written on this connection.
      const excerpt = `${request.method} ${request.url} HTTP/1.1\r\n`;
      return this.#refuseBehind(socket, connection, 'ambiguous_request', excerpt);
    }
    connection.isUpgraded = true;
    this.#front.upgrade(request, socket, head);
  }

  #malformed(error: ParseError, duplex: Duplex): void {
    const socket = duplex as Socket;
    const code = codeOf(error);
    const connection = this.#connections.get(socket);
    if (connection?.lastWords) return;
    if (!connection || code === null || !socket.writable || socket.bytesRead === 0) return void socket.destroy();
    const [response, request] = [...connection.answers].at(-1) ?? [];
    if (!response || !request || request.complete) {
      return this.#refuseBehind(socket, connection, code, excerptOf(error));
    }
    // What cannot be read is the body of a request that is under way.
    connection.lastWords = () => '';
    if (response.headersSent) socket.destroy();
    else this.#front.brokenBody(response);
  }

  /** Refuses what stands behind the requests under way, once those are answered. */
  #refuseBehind(socket: Socket, connection: Connection, code: Code, excerpt: string): void {
    connection.lastWords = () => this.#front.malformed(code, socket, excerpt);
    if (connection.answers.size === 0) endAndClose(socket, connection.lastWords());
  }

  #closeWhenIdle(socket: Socket, connection: Connection): void {
    clearTimeout(connection.idleTimer);
    if (connection.answers.size > 0 || connection.isUpgraded) return;
    connection.idleTimer = setTimeout(() => socket.destroySoon(), BOUNDS.drainIdleMs);
  }
}

interface Connection {
  /** Requests whose answers have not ended, in their order. */
  readonly answers: Map<ServerResponse, IncomingMessage>;
  isUpgraded: boolean;
  /** What ends the connection when the requests under way are answered: bytes came that are no request. */
  lastWords: (() => string) | null;
  idleTimer: NodeJS.Timeout | undefined;
}

type ParseError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer; readonly bytesParsed?: number };

/** What was read, from the line on that the parser gave up in: earlier requests may stand in front of it. */
function excerptOf({ rawPacket, bytesParsed = 0 }: ParseError): string {
  if (!rawPacket) return '';
  const lineAt = bytesParsed === 0 ? 0 : rawPacket.lastIndexOf(0x0a, bytesParsed - 1) + 1;
  return rawPacket.subarray(lineAt, lineAt + BOUNDS.targetBytes + BOUNDS.headerBytes).toString('latin1');
}

function ignore(): void {}

/** What a parser's or socket's error means; null where nobody is left to answer. */
function codeOf({ code }: NodeJS.ErrnoException): Code | null {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  if (code === 'HPE_INVALID_METHOD') return 'method_not_allowed';
  return code?.startsWith('HPE_') ? 'ambiguous_request' : null;
}
