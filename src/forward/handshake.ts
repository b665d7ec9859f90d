// One attempt at an upgrade with one target, through http-proxy-middleware. Its request, its errors and its
// socket are watched from here, so that nothing reaches the client that was not looked at first.
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { BOUNDS } from '../core/bounds.ts';
import type { UpstreamFailure, UpstreamLimits } from '../wire/exchange.ts';
import type { ClientLeg } from './client-leg.ts';
import type { Target } from './targets.ts';
import { TunnelSocket, type TunnelOwner } from './tunnel-socket.ts';

/** How an attempt ends: exactly one of these is called. The first two return whether to go on. */
export interface HandshakeEvents {
  switched(response: IncomingMessage, upstream: Duplex, socket: TunnelSocket): boolean;
  answered(response: IncomingMessage, socket: TunnelSocket): boolean;
  failed(failure: UpstreamFailure): void;
}

export class Handshake implements TunnelOwner {
  /** Told of bytes that go to the client. */
  passed: (chunk: Buffer) => void = ignore;
  readonly #target: Target;
  readonly #limits: UpstreamLimits;
  readonly #events: HandshakeEvents;
  readonly #socket: TunnelSocket;
  #request: ClientRequest | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isConnected = false;
  #isOver = false;
  #interim = 0;

  constructor(target: Target, limits: UpstreamLimits, leg: ClientLeg, events: HandshakeEvents) {
    this.#target = target;
    this.#limits = limits;
    this.#events = events;
    this.#socket = new TunnelSocket(this, leg);
  }

  /**
   * Begins the attempt.
   * @param path path and query
   * @param fields name, value, name, value; exactly these go out, with Host, Connection and Upgrade
   */
  begin(path: string, fields: readonly string[]): void {
    const request = {
      method: 'GET',
      url: path,
      httpVersion: '1.1',
      httpVersionMajor: 1,
      headers: headersOf(fields, this.#target.authority),
      // The middleware works for requests that belong to a server, and forgets those that don't.
      socket: { server: SERVER },
      target: this.#target.origin,
    };
    type Upgrade = typeof PROXY.upgrade;
    const [incoming, socket] = [request, this.#socket] as unknown as [Parameters<Upgrade>[0], Parameters<Upgrade>[1]];
    PROXY.upgrade(incoming, socket, NOTHING);
  }

  /** Gives the attempt up; nothing more is said of it. */
  abort(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#request?.destroy();
  }

  attach(request: ClientRequest): void {
    this.#request = request;
    if (this.#isOver) {
      request.destroy();
      return;
    }
    request
      .once('socket', (socket) => {
        this.#expect(this.#limits.connectTimeout, 'connecting');
        socket.once(this.#target.isSecure ? 'secureConnect' : 'connect', () => {
          this.#isConnected = true;
          this.#expect(this.#limits.responseTimeout, 'no answer');
        });
      })
      .on('information', ({ statusCode }) => {
        if (statusCode === 101 || ++this.#interim > BOUNDS.upstreamInterim)
          this.#fail('invalid', `status ${statusCode}`);
      })
      .once('upgrade', (response, upstream) => {
        upstream.on('error', ignore);
        if (!this.#settle()) return void upstream.destroy();
        if (this.#events.switched(response, upstream, this.#socket)) return;
        upstream.destroy();
        this.abort();
      })
      .once('response', (response) => {
        if (this.#settle() && !this.#events.answered(response, this.#socket)) this.abort();
      });
  }

  failed(error: NodeJS.ErrnoException): void {
    const code = error.code ?? error.name;
    if (UNSENDABLE.test(code)) this.#fail('unsendable', code);
    else if (code.startsWith('HPE_')) this.#fail('invalid', code);
    else this.#fail(code === 'ETIMEDOUT' ? 'timeout' : 'unreachable', code);
  }

  /** Restarts the clock for what has to come next. */
  #expect(ms: number, detail: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail('timeout', detail), ms);
  }

  #settle(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    return true;
  }

  #fail(kind: UpstreamFailure['kind'], detail: string): void {
    if (!this.#settle()) return;
    this.abort();
    this.#events.failed({ kind, isSent: this.#isConnected, isStale: false, detail });
  }
}

const NOTHING = Buffer.alloc(0);
const SERVER = {};
/** Node's codes for a request that cannot be written: a defect of ours. */
const UNSENDABLE = /^ERR_(?:INVALID|UNESCAPED|HTTP_INVALID)/;

// The plugins that it comes with log URLs and answer by themselves; `xfwd` and `ws` are not to be set either.
const PROXY = createProxyMiddleware({
  router: (request) => (request as unknown as { target: string }).target,
  ejectPlugins: true,
  plugins: [
    (proxy) => {
      proxy.on('proxyReqWs', (request, _incoming, socket) => ownerOf(socket)?.attach(request));
      proxy.on('error', (error, _incoming, socket) => ownerOf(socket)?.failed(error));
    },
  ],
});

function ownerOf(socket: unknown): TunnelOwner | undefined {
  return socket instanceof TunnelSocket ? socket.owner : undefined;
}

/** Fields as the middleware takes them; those of one name come together, under their first spelling. */
function headersOf(fields: readonly string[], authority: string): Record<string, string | string[]> {
  const byName = new Map<string, { readonly name: string; readonly values: string[] }>();
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    const known = byName.get(name.toLowerCase());
    if (known) known.values.push(fields[at + 1]!);
    else byName.set(name.toLowerCase(), { name, values: [fields[at + 1]!] });
  }
  const headers = Object.create(null) as Record<string, string | string[]>;
  headers['host'] = authority;
  headers['connection'] = 'Upgrade';
  headers['upgrade'] = 'websocket';
  for (const { name, values } of byName.values()) headers[name] = values.length === 1 ? values[0]! : values;
  return headers;
}

function ignore(): void {}
