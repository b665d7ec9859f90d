// An upstream that answers what it is told to: a script of bytes for a request that names one, an ordinary answer with
// the request's own marker for every other.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { strictRequests } from '../strict/requests.ts';
import type { Manner } from './grammar.ts';

/** What is answered to one request. */
export interface Script {
  readonly parts: readonly string[];
  readonly manner: Manner;
  /** Called once all is written, with the connection that it went to. */
  readonly played: (socket: Socket) => void;
}

export class HostileUpstream {
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#serve(socket));
  readonly #open = new Set<Socket>();
  readonly #scripts = new Map<string, Script>();

  static async start(): Promise<HostileUpstream> {
    const upstream = new HostileUpstream();
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve));
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Has a path answered by a script. */
  put(path: string, script: Script): void {
    this.#scripts.set(path, script);
  }

  drop(path: string): void {
    this.#scripts.delete(path);
  }

  /** Ends the connections that are open, and waits until they have closed. */
  async endAll(): Promise<void> {
    const closing = [...this.#open].map((socket) => closed(socket));
    for (const socket of this.#open) socket.end();
    await Promise.all(closing);
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#open.add(socket);
    let text = '';
    let isAnswered = false;
    socket
      .on('error', () => {})
      .on('end', () => socket.end())
      .on('close', () => this.#open.delete(socket))
      .on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        for (;;) {
          const [request] = strictRequests(text).requests;
          const script = this.#scripts.get(/^[A-Z]+ (\S+) /.exec(text)?.[1] ?? '');
          const isReady = request?.isWhole || (script?.manner.isEarly && text.includes('\r\n\r\n'));
          if (isReady && !isAnswered) {
            isAnswered = true;
            if (script) play(socket, script);
            else socket.write(goodAnswer(request!.method, request!.target));
          }
          if (!request?.isWhole) return;
          isAnswered = false;
          text = text.slice(request.end);
        }
      });
  }
}

/** What an ordinary request is answered; its body names the request. */
export function goodAnswer(method: string, target: string): string {
  const body = `answer to ${target}`;
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${method === 'HEAD' ? '' : body}`;
}

export function closed(socket: Socket): Promise<void> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}

function play(socket: Socket, { parts, manner, played }: Script): void {
  const next = (at: number): void => {
    if (at < parts.length && !socket.destroyed)
      return void socket.write(Buffer.from(parts[at]!, 'latin1'), () => setImmediate(next, at + 1));
    if (manner.ending === 'reset') socket.resetAndDestroy();
    else if (manner.ending === 'end') socket.end();
    played(socket);
  };
  next(0);
}
