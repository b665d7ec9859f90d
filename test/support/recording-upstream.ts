// A raw TCP server that keeps every byte it received and answers the bytes a test scripts: it repairs
// nothing, so what it saw is what was sent, and what it answers may be anything.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { inTime } from './acceptance-wait.ts';

/** One connection as the upstream saw it. */
export class SeenConnection {
  readonly socket: Socket;
  #parts: Buffer[] = [];
  #wake: () => void = () => {};
  #isOver = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.#wake();
    });
    const over = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    socket.on('end', over).on('close', over).on('error', over);
  }

  /** All bytes so far, one character a byte. */
  get text(): string {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0]?.toString('latin1') ?? '';
  }

  /** Whether the other side has ended or cut the connection. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Settles when the connection has closed. */
  closed(withinMs?: number): Promise<void> {
    if (this.socket.closed) return Promise.resolve();
    return inTime(
      new Promise((resolve) => this.socket.once('close', () => resolve())),
      'the end of the connection',
      withinMs,
    );
  }

  /** All bytes, once they hold `text` (from the `from`th on). */
  async until(text: string, from = 0): Promise<string> {
    const look = async (): Promise<string> => {
      while (!this.text.includes(text, from)) {
        if (this.#isOver) throw new Error(`the connection ended after ${JSON.stringify(this.text.slice(0, 300))}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return this.text;
    };
    return inTime(look(), `bytes with ${JSON.stringify(text)}`);
  }
}

/** Answers a connection; called once for each. */
export type Script = (connection: SeenConnection, index: number) => void | Promise<void>;

export interface RecordingUpstream {
  readonly origin: string;
  readonly port: number;
  /** Every connection so far, oldest first. */
  readonly connections: SeenConnection[];
  /** Connections that are open now. */
  readonly open: ReadonlySet<SeenConnection>;
  readonly close: () => Promise<void>;
}

/** Starts one on a free port. What a script throws after its connection has gone is of no interest. */
export async function startRecordingUpstream(script: Script): Promise<RecordingUpstream> {
  const connections: SeenConnection[] = [];
  const open = new Set<SeenConnection>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = new SeenConnection(socket);
    connections.push(connection);
    open.add(connection);
    socket.once('close', () => open.delete(connection));
    // A half-open connection would outlive the test that made it.
    socket.once('end', () => setImmediate(() => socket.end()));
    void Promise.resolve(script(connection, connections.length - 1)).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    connections,
    open,
    close: async () => {
      for (const { socket } of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A script: every request without a body is answered with the same bytes. */
export function answering(bytes: string | Buffer): Script {
  return async (connection) => {
    for (let from = 0; ;) {
      const text = await connection.until('\r\n\r\n', from);
      from = text.indexOf('\r\n\r\n', from) + 4;
      connection.socket.write(bytes);
    }
  };
}

/** A whole plain answer. */
export function plainAnswer(body = 'ok', fields = ''): string {
  return `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
