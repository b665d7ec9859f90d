// One large body over one connection, either way, at the pace that the other side keeps; nothing of it is kept.
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

export interface Transfer {
  readonly port: number;
  readonly path: string;
  readonly key: string;
  readonly bytes: number;
}

const CHUNK = Buffer.alloc(256 * 1024);

/** @returns seconds from the request to the last byte of the answer */
export async function download({ port, path, key, bytes }: Transfer): Promise<number> {
  const from = performance.now();
  const { socket, head, received, done } = open(port);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nX-Api-Key: ${key}\r\nConnection: close\r\n\r\n`);
  await done;
  expectOk(head());
  if (received() < bytes) throw new Error(`the answer ended after ${received()} of ${bytes} bytes`);
  return (performance.now() - from) / 1000;
}

/** @returns seconds from the request to the last byte of the answer */
export async function upload({ port, path, key, bytes }: Transfer): Promise<number> {
  const from = performance.now();
  const { socket, head, done } = open(port);
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nX-Api-Key: ${key}\r\nContent-Length: ${bytes}\r\nConnection: close\r\n\r\n`,
  );
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    const isTaken = socket.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK);
    if (!isTaken) await Promise.race([once(socket, 'drain'), done]);
    if (socket.destroyed) break;
  }
  await done;
  expectOk(head());
  return (performance.now() - from) / 1000;
}

function open(port: number) {
  let head = '';
  let received = 0;
  const socket: Socket = createConnection({
    port,
    host: '127.0.0.1',
    onread: {
      buffer: CHUNK_READ,
      callback: (count, buffer) => {
        if (received === 0)
          head = Buffer.from(buffer.buffer, buffer.byteOffset, Math.min(count, 1024)).toString('latin1');
        received += count;
        return true;
      },
    },
  });
  return { socket, head: () => head, received: () => received, done: once(socket, 'close') };
}

const CHUNK_READ = Buffer.alloc(256 * 1024);

function expectOk(head: string): void {
  const line = head.split('\r\n', 1)[0] ?? '';
  if (!line.startsWith('HTTP/1.1 200 ')) throw new Error(`answered: ${line === '' ? 'nothing' : line}`);
}
