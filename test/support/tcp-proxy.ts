// A TCP proxy of the test's own between a gateway and a server: what a network does to connections, done at will and
// to some of them only. A connection is known by what its client has said so far.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * What becomes of the bytes of one direction. `hold`: they wait, as in a network that is cut, until it is healed; so
 * does the end of the connection. `delayMs`: each comes so much later. `instead`: other bytes take their place.
 * `behind`: other bytes follow them.
 */
export type Treatment =
  | 'pass'
  | 'hold'
  | { readonly delayMs: number }
  | { readonly instead: string }
  | { readonly behind: string };

export type Direction = 'to server' | 'to client';

/** Decides for bytes that have just come. `said` is what the connection's client sent first, up to 4 KiB. */
export type Treat = (direction: Direction, said: string) => Treatment;

/** A connection through the proxy, as a test may choose it. */
type Chosen = (said: string) => boolean;

const everyOne: Chosen = () => true;

export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #treat: Treat = () => 'pass';
  #isRefusing = false;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client: Socket) => {
      const server = connect({ port: targetPort, host: '127.0.0.1' });
      const pair = new Pair(client, server, (direction, said) => this.#treat(direction, said));
      this.#pairs.add(pair);
      // Not before both are gone: what is left of one is ended with the proxy.
      for (const socket of [client, server])
        socket.on('close', () => client.destroyed && server.destroyed && this.#pairs.delete(pair));
      if (this.#isRefusing) pair.cut('reset');
    });
  }

  /** Starts one in front of a port on 127.0.0.1; close it in an `after` hook. */
  static async to(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  /** From now on bytes are treated so, on connections old and new. */
  treat(treat: Treat): void {
    this.#treat = treat;
  }

  /** Every connection is reset as soon as it is made, and those that are open now. */
  refuse(): void {
    this.#isRefusing = true;
    this.cut('reset');
  }

  /** Ends connections that are open now, to both sides. */
  cut(how: 'end' | 'reset', chosen: Chosen = everyOne): void {
    for (const pair of this.#chosen(chosen)) pair.cut(how);
  }

  /** Half-open: the server's side of connections that are open now is gone, and the client is never told. */
  abandon(chosen: Chosen = everyOne): void {
    for (const pair of this.#chosen(chosen)) pair.abandon();
  }

  /** Passes everything again; what was held goes on its way. */
  heal(): void {
    this.#isRefusing = false;
    this.#treat = () => 'pass';
    for (const pair of this.#pairs) pair.go();
  }

  /** Ends it and every connection; resolves once all sockets of both sides are closed. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await Promise.all([...this.#pairs].map((pair) => pair.close()));
    await closed;
  }

  #chosen(chosen: Chosen): Pair[] {
    return [...this.#pairs].filter(({ said }) => chosen(said));
  }
}

const SAID_BYTES = 4 * 1024;

/** A client's connection and the one to the server that it is joined with. */
class Pair {
  said = '';
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #flows: readonly Flow[];

  constructor(client: Socket, server: Socket, treat: Treat) {
    this.#client = client;
    this.#server = server;
    server.setNoDelay(true);
    client.on('data', (bytes) => {
      if (this.said.length < SAID_BYTES) this.said += bytes.toString('latin1');
    });
    this.#flows = [
      new Flow(client, server, () => treat('to server', this.said)),
      new Flow(server, client, () => treat('to client', this.said)),
    ];
  }

  cut(how: 'end' | 'reset'): void {
    for (const socket of [this.#client, this.#server])
      if (how === 'end') socket.destroySoon();
      else reset(socket);
  }

  abandon(): void {
    for (const flow of this.#flows) flow.lose();
    this.#server.destroy();
  }

  /** Ends both sides, whatever state they are in, and waits until they are closed. */
  async close(): Promise<void> {
    for (const flow of this.#flows) flow.lose();
    await Promise.all(
      [this.#client, this.#server].map(async (socket) => {
        if (socket.closed) return;
        const closed = once(socket, 'close');
        reset(socket);
        await closed;
      }),
    );
  }

  go(): void {
    for (const flow of this.#flows) flow.go();
  }
}

/** One direction of a connection: its bytes and its end, in their order, each when it is due. */
class Flow {
  readonly #to: Socket;
  readonly #treatment: () => Treatment;
  readonly #waiting: { readonly deliver: () => void; readonly dueMs: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isLost = false;

  constructor(from: Socket, to: Socket, treatment: () => Treatment) {
    this.#to = to;
    this.#treatment = treatment;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => this.#queue(() => this.#to.end()));
    // A reset is passed on as one; that of a socket which this proxy has ended itself changes nothing.
    from.on('error', () => this.#queue(() => reset(this.#to)));
    to.on('close', () => this.lose());
  }

  /** What waits goes now. */
  go(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { deliver } of this.#waiting.splice(0)) deliver();
  }

  /** Nothing is passed on any more. */
  lose(): void {
    this.#isLost = true;
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
  }

  #take(bytes: Buffer): void {
    const treatment = this.#treatment();
    const passed = forged(bytes, treatment);
    this.#queue(() => this.#to.write(passed), treatment);
  }

  #queue(deliver: () => void, treatment = this.#treatment()): void {
    if (this.#isLost) return;
    this.#waiting.push({ deliver, dueMs: performance.now() + delayOf(treatment) });
    this.#pump();
  }

  #pump(): void {
    const nowMs = performance.now();
    while (this.#waiting[0] && this.#waiting[0].dueMs <= nowMs) this.#waiting.shift()?.deliver();
    const next = this.#waiting[0]?.dueMs ?? Infinity;
    clearTimeout(this.#timer);
    if (next < Infinity) this.#timer = setTimeout(() => this.#pump(), next - nowMs);
  }
}

/** Ms that something waits; what is held waits until it is let go. */
function delayOf(treatment: Treatment): number {
  if (treatment === 'hold') return Infinity;
  return typeof treatment === 'object' && 'delayMs' in treatment ? treatment.delayMs : 0;
}

function forged(bytes: Buffer, treatment: Treatment): Buffer | string {
  if (typeof treatment === 'string') return bytes;
  if ('instead' in treatment) return treatment.instead;
  return 'behind' in treatment ? Buffer.concat([bytes, Buffer.from(treatment.behind)]) : bytes;
}

/**
 * Resets a connection at once. While its end is on its way, the reset would be refused (EINVAL), which Node takes for
 * done: such a socket is never closed, and keeps its process from ending.
 */
function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (!socket.connecting && !isEnding) socket.resetAndDestroy();
  socket.destroy();
}
