// Opens connections to one target, in the clear or over TLS, with the peer's certificate verified as Node does.
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SHARED } from './read-buffers.ts';

/** Told of a connection. Bytes are the reader's only until `received` returns; false stops the flow of them. */
export interface Wire {
  /** @param isOwn whether the buffer is the wire's to keep */
  received(buffer: Buffer, length: number, isOwn: boolean): boolean;
  /** Where to read to from now on; undefined to go on as before. */
  nextBuffer(): Buffer | undefined;
  opened(): void;
  ended(): void;
  failed(error: NodeJS.ErrnoException): void;
}

/** Opens connections to one origin. */
export class Dialler {
  /** The Host line of requests to it. */
  readonly hostLine: string;
  readonly #host: string;
  readonly #port: number;
  readonly #isSecure: boolean;
  /** Of the last handshake, so that the next one is shorter. */
  #session: Buffer | undefined;

  /** @param origin such as `http://127.0.0.1:3000` */
  constructor(origin: string) {
    const { host, hostname, port, protocol } = new URL(origin);
    this.hostLine = `host: ${host}\r\n`;
    this.#host = hostname.replace(/^\[(.*)\]$/, '$1');
    this.#isSecure = protocol === 'https:';
    this.#port = port === '' ? (this.#isSecure ? 443 : 80) : Number(port);
  }

  dial(wire: Wire): Socket {
    const socket = this.#isSecure ? this.#dialTls(wire) : this.#dialPlain(wire);
    return socket
      .once('end', () => wire.ended())
      .on('error', (error) => wire.failed(error))
      .once('close', () => wire.ended());
  }

  #dialPlain(wire: Wire): Socket {
    let isOpen = false;
    // Asked once for each address of the host that is tried, then after every read. There, anything but a buffer keeps
    // the one there is; before, it would have what the connection reads taken from a buffer that it does not read to.
    const buffer = (): Buffer => (isOpen ? (wire.nextBuffer() as Buffer) : SHARED);
    const callback = (length: number, bytes: Uint8Array): boolean =>
      wire.received(bytes as Buffer, length, bytes !== SHARED);
    const onread = { buffer, callback };
    return connect({ host: this.#host, port: this.#port, noDelay: true, onread }, () => {
      isOpen = true;
      wire.opened();
    });
  }

  #dialTls(wire: Wire): Socket {
    const socket = connectTls({
      host: this.#host,
      port: this.#port,
      servername: isIP(this.#host) === 0 ? this.#host : '',
      ALPNProtocols: ['http/1.1'],
      ...(this.#session !== undefined && { session: this.#session }),
    });
    socket
      .setNoDelay(true)
      .once('secureConnect', () => wire.opened())
      .on('session', (session: Buffer) => {
        this.#session = session;
      })
      .on('data', (chunk: Buffer) => {
        if (!wire.received(chunk, chunk.length, true)) socket.pause();
      });
    return socket;
  }
}
