// An HTTP/1.1 client that sends exactly the bytes it is told to and shows exactly what came back: what an
// honest client library would repair or refuse can be sent with it.
import { connect, type Socket } from 'node:net';
import { inTime } from './acceptance-wait.ts';

/** Header lines in order; a name may occur more than once. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** A request as its parts; what is left out gets a plain default. */
export interface RequestParts {
  readonly method?: string;
  readonly target?: string;
  /** The `Host` header; `null` sends none. */
  readonly host?: string | null;
  readonly headers?: Readonly<Record<string, string>> | HeaderLines;
  readonly body?: string | Buffer;
}

/** One response as it came over the wire. */
export interface Response {
  readonly status: number;
  readonly headers: HeaderLines;
  readonly body: Buffer;
  /** All values of a header, joined by `, ` as RFC 9110 says; undefined where there is none. */
  header(name: string): string | undefined;
  json(): Record<string, unknown>;
  text(): string;
}

/** The `Host` header of requests that do not choose their own. */
export const DEFAULT_HOST = 'gateway.test';

/** The headers of a WebSocket handshake. */
export const HANDSHAKE: Readonly<Record<string, string>> = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** The bytes of a request; a body gets a Content-Length unless the headers frame it. */
export function requestBytes(parts: RequestParts): Buffer {
  const { method = 'GET', target = '/', host = DEFAULT_HOST, headers = {}, body } = parts;
  const lines: (readonly [string, string])[] = Array.isArray(headers)
    ? [...(headers as HeaderLines)]
    : Object.entries(headers as Record<string, string>);
  if (host !== null) lines.unshift(['Host', host]);
  const framed = lines.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  if (body !== undefined && !framed) lines.push(['Content-Length', String(Buffer.byteLength(body))]);
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body ?? '')]);
}

/** One request over a connection of its own. */
export async function send(port: number, parts: RequestParts, withinMs?: number): Promise<Response> {
  const connection = await Connection.open(port);
  try {
    return await connection.exchange(parts, withinMs);
  } finally {
    connection.destroy();
  }
}

/** One connection, over which requests go one after the other. */
export class Connection {
  readonly socket: Socket;
  /** Settles once the other side has ended or cut the connection. */
  readonly closed: Promise<void>;
  #received = Buffer.alloc(0);
  #over = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const end = (): void => {
      this.#over = true;
      this.#wake();
      resolve();
    };
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    // A reset is the other side's way to end a connection too; what was received before it is kept.
    socket.on('error', end).on('end', end).on('close', end);
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Connection(socket);
  }

  write(bytes: string | Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Sends one request and gives its final response. */
  async exchange(parts: RequestParts, withinMs?: number): Promise<Response> {
    this.write(requestBytes(parts));
    return this.response({ bodiless: parts.method === 'HEAD', ...(withinMs === undefined ? {} : { withinMs }) });
  }

  /** The next response that is no 1xx (but for 101, which is final). */
  async response(options: { bodiless?: boolean; withinMs?: number } = {}): Promise<Response> {
    for (;;) {
      const response = await inTime(this.#next(options.bodiless ?? false), 'response', options.withinMs);
      if (response.status >= 200 || response.status === 101) return response;
    }
  }

  /** The next response, be it a 1xx. */
  anyResponse(): Promise<Response> {
    return inTime(this.#next(false), 'response');
  }

  /** Waits until as many bytes came, and takes them. */
  bytes(count: number): Promise<Buffer> {
    return inTime(this.#take(count), `${count} bytes`);
  }

  /** Waits until the received bytes hold `text`, and takes all up to its end. */
  async until(text: string, withinMs?: number): Promise<string> {
    return inTime(this.#through(text), `bytes up to ${JSON.stringify(text)}`, withinMs);
  }

  async #next(bodiless: boolean): Promise<Response> {
    const head = await this.#through('\r\n\r\n');
    const [statusLine = '', ...lines] = head.slice(0, -4).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]);
    if (!Number.isInteger(status)) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const header = (name: string): string | undefined => {
      const values = headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
      return values.length === 0 ? undefined : values.join(', ');
    };
    const none = bodiless || status < 200 || status === 204 || status === 304;
    const body = none ? Buffer.alloc(0) : await this.#body(header);
    const text = (): string => body.toString('utf8');
    return { status, headers, body, header, text, json: () => JSON.parse(text()) as Record<string, unknown> };
  }

  async #body(header: (name: string) => string | undefined): Promise<Buffer> {
    const length = header('content-length');
    if (length !== undefined) return this.#take(Number(length));
    if (header('transfer-encoding')?.toLowerCase() === 'chunked') return this.#chunked();
    while (!this.#over) await this.#more();
    return this.#take(this.#received.length);
  }

  async #chunked(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt(await this.#through('\r\n'), 16);
      if (size === 0) {
        while ((await this.#through('\r\n')) !== '\r\n');
        return Buffer.concat(parts);
      }
      parts.push(await this.#take(size));
      await this.#through('\r\n');
    }
  }

  async #through(text: string): Promise<string> {
    let at: number;
    while ((at = this.#received.indexOf(text, 0, 'latin1')) < 0) await this.#more();
    return (await this.#take(at + text.length)).toString('latin1');
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#more();
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#over) {
      throw new Error(`the connection ended after ${JSON.stringify(this.#received.toString('latin1').slice(0, 200))}`);
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
