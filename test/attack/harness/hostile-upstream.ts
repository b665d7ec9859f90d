// An upstream that answers one request with whatever bytes it is told to, and all others properly: with their request
// line and key, so that an answer tells whose it is.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { StrictReader, type StrictHead, valuesOf } from './strict-requests.ts';

/** Where the attack stands: instead of an answer, behind a proper one, on the connection that it left idle, or before the request's body was read. */
export type Place = 'instead' | 'behind' | 'idle' | 'early';

export interface Attack {
  readonly bytes: Buffer;
  readonly place: Place;
  /** What the upstream does with the connection then (default: it stays open). */
  readonly then?: 'end' | 'reset';
}

export interface HostileUpstream {
  readonly origin: string;
  readonly port: number;
  /** How requests to a target that ends with /attack are answered from now on. */
  attack: Attack;
  /** Whether the attack's bytes were written. */
  readonly done: () => boolean;
  /** Targets of the requests since {@link refresh}, by connection. */
  readonly carried: () => readonly (readonly string[])[];
  /** Closes all connections, so that the next request comes on a fresh one. */
  refresh(): void;
  close(): Promise<void>;
}

/** The proper answer's body. */
export function ownAnswer(method: string, target: string, key: string): string {
  return `${method} ${target} of ${key}`;
}

export async function startHostileUpstream(): Promise<HostileUpstream> {
  const open = new Set<Socket>();
  let isDone = false;
  let carried: string[][] = [];
  const serve = async (socket: Socket): Promise<void> => {
    const reader = new StrictReader();
    const targets: string[] = [];
    carried.push(targets);
    let current: StrictHead | undefined;
    let isAnswered = false;
    for await (const bytes of socket) {
      reader.push(bytes as Buffer);
      for (;;) {
        if (!current) {
          current = reader.head();
          if (!current) break;
          targets.push(current.target);
          isAnswered = upstream.attack.place === 'early' && isAttacked(current);
          if (isAnswered) await answer(socket, current);
        }
        if (!reader.body(current)) break;
        if (!isAnswered) await answer(socket, current);
        current = undefined;
      }
    }
  };
  const answer = async (socket: Socket, head: StrictHead): Promise<void> => {
    const { attack } = upstream;
    if (!isAttacked(head)) return void socket.write(proper(head));
    if (attack.place === 'behind') {
      socket.write(Buffer.concat([Buffer.from(proper(head)), attack.bytes]));
    } else {
      if (attack.place === 'idle') {
        socket.write(proper(head));
        await turn();
      }
      if (attack.bytes.length > 0) socket.write(attack.bytes);
    }
    if (attack.then === 'end') socket.end();
    else if (attack.then === 'reset') socket.write('', () => socket.resetAndDestroy());
    isDone = true;
  };
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => {}).once('close', () => open.delete(socket));
    serve(socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const upstream: HostileUpstream = {
    origin: `http://127.0.0.1:${port}`,
    port,
    attack: { bytes: Buffer.alloc(0), place: 'instead', then: 'end' },
    done: () => isDone,
    carried: () => carried,
    refresh: () => {
      isDone = false;
      carried = [];
      for (const socket of open) socket.destroy();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return upstream;
}

function isAttacked({ target }: StrictHead): boolean {
  return target.endsWith('/attack');
}

function proper({ method, target, fields }: StrictHead): string {
  const body = ownAnswer(method, target, valuesOf(fields, 'x-credential-identifier').join());
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${method === 'HEAD' ? '' : body}`;
}
