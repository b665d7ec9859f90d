// Free ports for processes that must be told theirs. They are taken below the range from which the system
// picks the ports of outgoing connections and of listeners on port 0, so that nobody takes one in between.
import { connect, createServer } from 'node:net';

const LOWEST = 12_000;
const HIGHEST = 32_000;

/** A port on 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
}

/** One that is free together with the one `apart` above it, as a Cluster node's bus port is. */
export async function freePortPair(apart: number): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port + apart < HIGHEST && (await isFree(port + apart))) return port;
  }
}

/** Resolves if somebody listens on the port. @throws Error if nobody does */
export function listening(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
