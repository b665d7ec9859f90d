// An upstream whose answers never end, and that counts what is taken of them.
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface EndlessUpstream {
  readonly origin: string;
  /** Bytes that the system took to send. */
  taken(): number;
  /** Connections that were answered, and those that are open. */
  served(): number;
  open(): number;
  close(): Promise<void>;
}

const PART = Buffer.alloc(64 * 1024, 'a');

export async function startEndlessUpstream(): Promise<EndlessUpstream> {
  const open = new Set<Socket>();
  let taken = 0;
  let served = 0;
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {}).once('close', () => open.delete(socket));
    socket.once('data', () => {
      served += 1;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n');
      const more = (): void => {
        for (let hasRoom = !socket.destroyed; hasRoom; taken += PART.length) hasRoom = socket.write(PART);
      };
      socket.on('drain', more);
      more();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken: () => taken,
    served: () => served,
    open: () => open.size,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
