// The upstream of every attack: it keeps each byte, reads it strictly, and answers each request that it finds.
// Which case a request came with is written beside it.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { StrictReader, type StrictHead, valuesOf } from './strict-requests.ts';

/** One request whose head reached the upstream. */
export interface SeenRequest extends StrictHead {
  /** Undefined until it is whole. */
  body: Buffer | undefined;
  /** The case that ran when it came. */
  readonly during: string;
  /** What the client sent in that case, one character a byte; empty where nobody said. */
  readonly sent: string;
  readonly connection: SeenConnection;
}

/** One connection to the upstream. */
export interface SeenConnection {
  /** Everything, one character a byte. */
  text(): string;
  /** What came after it was upgraded; undefined where it was not. */
  tunnelled(): Buffer | undefined;
}

export interface Recorder {
  readonly origin: string;
  readonly port: number;
  /** Requests since {@link reset}, in the order they came. */
  readonly requests: readonly SeenRequest[];
  readonly connections: readonly SeenConnection[];
  /** What no strict reader takes for a request, since {@link reset}. */
  readonly flaws: readonly string[];
  /** Connections that are tunnels still. */
  openTunnels(): number;
  /** Names what runs now, and what the client sends in it. @param sent one character a byte */
  begin(during: string, sent?: string): void;
  reset(): void;
  close(): Promise<void>;
}

/** An upgrade to a target that ends so is answered 426, and the connection stays as it is. */
export const REFUSES_UPGRADE = '/refused';

export async function startRecorder(): Promise<Recorder> {
  const requests: SeenRequest[] = [];
  const connections: SeenConnection[] = [];
  const flaws: string[] = [];
  const open = new Map<Socket, SeenConnection>();
  let running = { during: 'the start', sent: '' };
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = record(socket);
    open.set(socket, connection);
    socket.on('error', () => {}).once('close', () => open.delete(socket));
    connections.push(connection);
  });
  const record = (socket: Socket): SeenConnection => {
    const reader = new StrictReader();
    const parts: Buffer[] = [];
    let tunnelled: Buffer[] | undefined;
    let current: SeenRequest | undefined;
    const connection: SeenConnection = {
      text: () => Buffer.concat(parts).toString('latin1'),
      tunnelled: () => tunnelled && Buffer.concat(tunnelled),
    };
    const take = (bytes: Buffer): void => {
      parts.push(bytes);
      if (tunnelled) return void tunnelled.push(bytes);
      reader.push(bytes);
      for (;;) {
        if (!current) {
          const head = reader.head();
          if (!head) return;
          current = { ...head, ...running, body: undefined, connection };
          requests.push(current);
        }
        current.body = reader.body(current);
        if (!current.body) return;
        const isTunnel = answer(socket, current);
        current = undefined;
        if (isTunnel) return void (tunnelled = [Buffer.from(reader.rest)]);
      }
    };
    socket.on('data', (bytes: Buffer) => {
      try {
        take(bytes);
      } catch (error) {
        flaws.push(
          `${running.during}: ${(error as Error).message}, in ${JSON.stringify(connection.text().slice(-2000))}`,
        );
        socket.destroy();
      }
    });
    return connection;
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const recorder: Recorder = {
    origin: `http://127.0.0.1:${port}`,
    port,
    requests,
    connections,
    flaws,
    openTunnels: () => [...open.values()].filter((connection) => connection.tunnelled()).length,
    begin: (during, sent = '') => {
      running = { during, sent };
    },
    reset: () => {
      requests.length = 0;
      connections.length = 0;
      flaws.length = 0;
    },
    close: async () => {
      for (const socket of open.keys()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return recorder;
}

/** Answers with the request line, so that an answer tells whose it is; true where the connection is a tunnel from now on. */
function answer(socket: Socket, { method, target, fields }: StrictHead): boolean {
  const isUpgrade = valuesOf(fields, 'upgrade').length > 0;
  if (isUpgrade && !target.endsWith(REFUSES_UPGRADE)) {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    return true;
  }
  const status = isUpgrade ? '426 Upgrade Required' : '200 OK';
  const body = method === 'HEAD' ? '' : `${method} ${target}`;
  socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return false;
}
