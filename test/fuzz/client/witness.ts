// The upstream of the client target: keeps every byte, reads them strictly, answers each whole request, and says of
// each request which id it carried. What it cannot read is what the gateway must never send.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { optionsOf, valuesOf } from '../strict/lines.ts';
import { strictRequests, type StrictRequest } from '../strict/requests.ts';

/** A request as the upstream saw it, whole or not. */
export interface Witnessed {
  readonly request: StrictRequest;
  readonly requestId: string;
}

export interface Witness {
  readonly origin: string;
  /** Takes what was seen since the last time: requests, and bytes that are none. */
  take(): { readonly requests: Witnessed[]; readonly unreadable: string[] };
  close(): Promise<void>;
}

export async function startWitness(): Promise<Witness> {
  const open = new Set<WitnessedConnection>();
  let seen: Witnessed[] = [];
  let unreadable: string[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = new WitnessedConnection(socket);
    open.add(connection);
    socket
      .on('data', (bytes: Buffer) => connection.received(bytes.toString('latin1')))
      .on('end', () => socket.end())
      .on('error', () => {})
      .on('close', () => {
        open.delete(connection);
        connection.drain(seen, unreadable, true);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take: () => {
      for (const connection of open) connection.drain(seen, unreadable, false);
      const taken = { requests: seen, unreadable };
      [seen, unreadable] = [[], []];
      return taken;
    },
    close: async () => {
      for (const { socket } of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class WitnessedConnection {
  readonly socket: Socket;
  #text = '';
  #whole: StrictRequest[] = [];
  #isTunnel = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  received(text: string): void {
    this.#text += text;
    if (this.#isTunnel) return;
    const { requests } = strictRequests(this.#text);
    for (const request of requests) {
      if (!request.isWhole) return;
      this.#whole.push(request);
      if (request.isUpgrade) {
        this.#isTunnel = true;
        this.#text = request.rest;
        if (valuesOf(request.fields, 'upgrade').length > 0) this.socket.write(SWITCHED);
        return;
      }
      this.socket.write(answerTo(request));
    }
    this.#text = this.#text.slice(requests.at(-1)?.end ?? 0);
  }

  /** Hands over what was seen: unfinished things only where the connection has ended. */
  drain(seen: Witnessed[], unreadable: string[], isOver: boolean): void {
    const whole = this.#whole;
    this.#whole = [];
    if (this.#isTunnel && whole.length > 0) {
      // What went through the tunnel is part of its request.
      const last = whole.at(-1)!;
      if (!isOver) {
        this.#whole = [last];
        whole.pop();
      } else whole[whole.length - 1] = { ...last, rest: this.#text };
    }
    for (const request of whole) seen.push(witnessed(request));
    if (this.#isTunnel) return;
    const { requests, state } = strictRequests(this.#text);
    if (state === 'invalid') unreadable.push(this.#text);
    else if (isOver) {
      for (const request of requests) seen.push(witnessed(request));
      if (requests.length === 0 && this.#text !== '') unreadable.push(this.#text);
    }
    if (isOver || state === 'invalid') this.#text = '';
  }
}

function witnessed(request: StrictRequest): Witnessed {
  return { request, requestId: valuesOf(request.fields, 'x-request-id').join(', ') };
}

const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

/** Says what it was asked for, so that an answer can be told from others'. */
function answerTo({ method, target, body, fields }: StrictRequest): string {
  const said = `${method} ${target} ${body.length}`;
  const isLast = optionsOf(fields, 'connection').includes('close');
  return `HTTP/1.1 200 OK\r\nX-Witness: yes\r\n${isLast ? 'Connection: close\r\n' : ''}Content-Length: ${said.length}\r\n\r\n${method === 'HEAD' ? '' : said}`;
}
