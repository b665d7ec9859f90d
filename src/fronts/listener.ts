// What accepts requests, behind one interface: node:http here. It owns connections, timeouts, parse errors
// and draining; what a request means is the front's business.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Address } from '../core/address.ts';
import { BOUNDS } from '../core/bounds.ts';
import type { Code } from '../core/reasons.ts';
import { endAndClose } from './close-behind.ts';
import { Connection } from './connection.ts';
import { LeanRequest } from './lean-request.ts';
import { LeanResponse } from './lean-response.ts';
import { peerOf } from './request-facts.ts';

/** What a listener hands on. */
export interface Front {
  /** @param expectsContinue the client waits for 100 Continue before it sends the body */
  request(connection: Connection, request: IncomingMessage, response: LeanResponse, expectsContinue: boolean): void;
  /** An Expect other than 100-continue. */
  expectation(connection: Connection, request: IncomingMessage, response: LeanResponse): void;
  upgrade(connection: Connection, request: IncomingMessage, head: Buffer): void;
  /** Bytes that are no request; returns the answer's bytes. `excerpt` begins with what may be their request line. */
  malformed(code: Code, peer: Address, excerpt: string): string;
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

export interface ListenerOptions {
  /** Client connections at once; more are closed. */
  readonly mostConnections: number;
  /** Told where one more came, once in a while. */
  readonly onFull: () => void;
}

export function createListener(front: Front, options: ListenerOptions): Listener {
  return new NodeListener(front, options);
}

class NodeListener implements Listener {
  readonly #server: Server<typeof LeanRequest, typeof LeanResponse>;
  readonly #front: Front;
  readonly #connections = new Map<Socket, Connection>();
  #sweep: NodeJS.Timeout | undefined;
  #fullToldAt = -Infinity;
  isDraining = false;

  constructor(front: Front, { mostConnections, onFull }: ListenerOptions) {
    this.#front = front;
    this.#server = createServer({
      // Target and header section have bounds of their own; this one only keeps the parser from going on.
      maxHeaderSize: BOUNDS.headerBytes + BOUNDS.targetBytes + 1024,
      headersTimeout: BOUNDS.headersTimeoutMs,
      // A large upload may take its time; a silent one is caught by the upstream's idleTimeout.
      requestTimeout: 0,
      // Node would set and clear a timer for every request; one look a second at all connections does.
      keepAliveTimeout: 0,
      optimizeEmptyRequests: true,
      IncomingMessage: LeanRequest,
      ServerResponse: LeanResponse,
      connectionsCheckingInterval: 500,
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    });
    // Node drops fields above its own count silently; accept.ts counts them and refuses.
    this.#server.maxHeadersCount = 0;
    this.#server.maxConnections = mostConnections;
    this.#server
      .on('connection', (socket: Socket) => this.#connected(socket))
      .on('drop', () => {
        const now = performance.now();
        if (now - this.#fullToldAt < BOUNDS.fullNoticeMs) return;
        this.#fullToldAt = now;
        onFull();
      })
      .on('request', (request, response) => this.#request(request, response, false))
      .on('checkContinue', (request, response) => this.#request(request, response, true))
      .on('checkExpectation', (request, response) => {
        const connection = this.#begun(request, response);
        if (connection) front.expectation(connection, request, response);
      })
      .on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head))
      .on('connect', (request, stream, head) => this.#upgrade(request, stream, head))
      .on('clientError', (error: ParseError, socket) => this.#malformed(error, socket));
  }

  listen(host: string, port: number, isShared: boolean): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024, reusePort: isShared }, () => {
        this.#server.off('error', reject);
        this.#sweep = setInterval(() => this.#look(), LOOK_MS).unref();
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  drain(): Promise<void> {
    this.isDraining = true;
    for (const connection of this.#connections.values()) this.#closeWhenIdle(connection);
    return new Promise((resolve) => {
      // http.Server.close would cut idle connections at once, and with them requests already on their way.
      NetServer.prototype.close.call(this.#server, () => {
        clearInterval(this.#sweep);
        resolve();
      });
    });
  }

  cut(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #connected(socket: Socket): void {
    // Node drops its own listener at an upgrade, long before anything else listens: a reset must end one connection.
    socket.on('error', ignore);
    // A peer that is gone already is nobody to answer; later its address could no longer be asked for.
    const peer = peerOf(socket);
    if (!peer) return void socket.destroy();
    const connection = new Connection(socket, peer, this.#answered);
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      clearTimeout(connection.drainTimer);
      this.#connections.delete(socket);
    });
    if (this.isDraining) this.#closeWhenIdle(connection);
  }

  #request(request: IncomingMessage, response: LeanResponse, expectsContinue: boolean): void {
    const connection = this.#begun(request, response);
    if (connection) this.#front.request(connection, request, response, expectsContinue);
  }

  /** The connection of a new request; undefined where that is ending already. */
  #begun(request: IncomingMessage, response: LeanResponse): Connection | undefined {
    const connection = this.#connections.get(request.socket);
    if (!connection || connection.isEnding) {
      connection?.ignore();
      request.resume();
      return undefined;
    }
    connection.began(response);
    return connection;
  }

  readonly #answered = (connection: Connection): void => {
    if (connection.answers.length > 0) return;
    const { socket, lastWords } = connection;
    // Behind an answer that has said that it is the last nothing is said any more.
    if (lastWords !== null) endAndClose(socket, connection.isEnding ? '' : lastWords());
    else if (this.isDraining) this.#closeWhenIdle(connection);
  };

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = request;
    // Where the request has a body, Node puts a stream of its own before the socket, and hands it the socket's errors: one
    // that nobody hears of would end the process.
    stream.on('error', ignore);
    const connection = this.#connections.get(socket);
    if (!connection) return void socket.destroy();
    clearTimeout(connection.drainTimer);
    if (socket.writableEnded) return endAndClose(socket, '');
    if (connection.answers.length > 0) {
      // An answer to an earlier, pipelined request is still being written on this connection.
      carryOn(connection);
      const excerpt = `${request.method} ${request.url} HTTP/1.1\r\n`;
      return this.#refuseBehind(connection, 'ambiguous_request', excerpt);
    }
    connection.isUpgraded = true;
    connection.untimeReader();
    this.#front.upgrade(connection, request, head);
  }

  #malformed(error: ParseError, duplex: Duplex): void {
    const socket = duplex as Socket;
    const code = codeOf(error);
    const connection = this.#connections.get(socket);
    if (connection?.lastWords) return;
    if (!connection || code === null || !socket.writable || socket.bytesRead === 0) return void socket.destroy();
    const response = connection.answers.at(-1);
    // One without a body has ended from the start; Node does not say `complete` of one that was answered at once.
    if (!response || response.req.complete || response.req.readableEnded)
      return this.#refuseBehind(connection, code, excerptOf(error));
    // What cannot be read is the body of a request that is under way.
    connection.lastWords = () => '';
    if (!response.headersSent) response.owner?.breakOff();
    else if (!response.isWaiting) socket.destroy();
    // What stands in front of it is answered first.
    else if (!response.writableEnded) response.destroy();
  }

  /** Refuses what stands behind the requests under way, once those are answered. */
  #refuseBehind(connection: Connection, code: Code, excerpt: string): void {
    connection.lastWords = connection.isEnding ? () => '' : () => this.#front.malformed(code, connection.peer, excerpt);
    if (connection.answers.length === 0) endAndClose(connection.socket, connection.lastWords());
  }

  #closeWhenIdle(connection: Connection): void {
    clearTimeout(connection.drainTimer);
    if (connection.isIdle)
      connection.drainTimer = setTimeout(() => connection.socket.destroySoon(), BOUNDS.drainIdleMs);
  }

  /**
   * Closes kept-alive connections that have been idle for long (a new one is the business of `headersTimeout`), and has
   * those cut whose client does not read.
   */
  #look(): void {
    for (const connection of this.#connections.values()) {
      if (connection.isUpgraded) continue;
      connection.timeReader();
      if (connection.isIdle && connection.looked() * LOOK_MS > BOUNDS.keepAliveTimeoutMs)
        connection.socket.destroySoon();
    }
  }
}

/** Pause between two looks at all connections, ms: how late an idle one may be closed. */
const LOOK_MS = 1_000;

/**
 * Does for the answers under way what node:http did before it let go of their connection for an upgrade: tells them that
 * there is room again, and ends them where the client does not read, or has gone. What else the client sends is dropped.
 */
function carryOn({ socket, answers }: Connection): void {
  socket
    .on('drain', () => answers[0]?.emit('drain'))
    .on('timeout', () => socket.destroy())
    .once('end', () => socket.end())
    .resume();
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
