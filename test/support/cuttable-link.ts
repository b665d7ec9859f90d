// A TCP proxy between a gateway and its store that a test can cut: connections break, and none is to be had until it
// is mended.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface CuttableLink {
  readonly port: number;
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

export async function startCuttableLink(toPort: number): Promise<CuttableLink> {
  const open = new Set<Socket>();
  let isCut = false;
  const keep = (socket: Socket, other: Socket): void => {
    open.add(socket);
    socket
      .on('error', () => socket.destroy())
      .on('close', () => {
        open.delete(socket);
        other.destroy();
      });
  };
  const server = createServer((socket) => {
    if (isCut) return void socket.destroy();
    const store = connect(toPort, '127.0.0.1');
    keep(socket, store);
    keep(store, socket);
    socket.pipe(store).pipe(socket);
  });
  const breakAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true;
      breakAll();
    },
    mend: () => {
      isCut = false;
    },
    close: async () => {
      breakAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
