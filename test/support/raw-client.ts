// Exact bytes in, the whole answer out: one connection, written to as a test says and read to its end, with
// bounds on time and size.
import { connect, type Socket } from 'node:net';
import { inTime } from './acceptance-wait.ts';

/** Most that a test expects to get, bytes. */
const MOST = 64 * 1024 * 1024;

export class RawClient {
  readonly socket: Socket;
  #parts: Buffer[] = [];
  #bytes = 0;
  #isOver = false;
  #wasReset = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    const over = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#parts.push(chunk);
      this.#bytes += chunk.length;
      if (this.#bytes > MOST) socket.destroy(new Error('more than a test expects'));
      this.#wake();
    });
    socket
      .on('end', over)
      .on('close', over)
      .on('error', () => {
        this.#wasReset = true;
        over();
      });
  }

  /** Opens a connection and writes. */
  static async open(port: number, bytes: string | Buffer = ''): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    await inTime(new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)), 'connection');
    const client = new RawClient(socket);
    if (bytes.length > 0) client.write(bytes);
    return client;
  }

  /** What one connection answers to these bytes until the other side ends it. */
  static async exchange(port: number, bytes: string | Buffer, withinMs?: number): Promise<string> {
    const client = await RawClient.open(port, bytes);
    try {
      return await client.rest(withinMs);
    } finally {
      client.destroy();
    }
  }

  write(bytes: string | Buffer): void {
    if (!this.socket.destroyed) this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Whether the other side has ended or cut the connection. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the connection was reset, by which what had been sent to this side may be lost. */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** All bytes so far. */
  get received(): Buffer {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0] ?? Buffer.alloc(0);
  }

  /** All bytes so far, one character a byte. */
  get text(): string {
    return this.received.toString('latin1');
  }

  /** Waits until `isThere`, or fails with what came instead. */
  async wait(isThere: (text: string) => boolean, what: string, withinMs?: number): Promise<string> {
    const look = async (): Promise<string> => {
      while (!isThere(this.text)) {
        if (this.#isOver)
          throw new Error(`${what}: the connection ended after ${JSON.stringify(this.text.slice(0, 300))}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return this.text;
    };
    return inTime(look(), what, withinMs);
  }

  /** All bytes, once they hold `text`. */
  until(text: string, withinMs?: number): Promise<string> {
    return this.wait((all) => all.includes(text), `bytes with ${JSON.stringify(text)}`, withinMs);
  }

  /** All bytes, once the other side has ended or cut the connection. */
  async rest(withinMs?: number): Promise<string> {
    const look = async (): Promise<string> => {
      while (!this.#isOver) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return this.text;
    };
    return inTime(look(), 'the end of the connection', withinMs);
  }
}
