// Free ports for processes that must be told theirs. They are taken below the range from which the system
// picks the ports of outgoing connections and of listeners on port 0, so that nobody takes one in between; and each
// test process takes them from a block of its own, so that no other does before the server listens.
import { connect, createServer } from 'node:net';

const LOWEST = 12_000;
const BLOCK = 40;
const BLOCKS = 250;
/** How far a Redis Cluster node's bus port is above its port. All of them are above all blocks. */
const BUS = 10_000;

const first = LOWEST + (process.pid % BLOCKS) * BLOCK;
let taken = Math.floor(Math.random() * BLOCK);

/** A port on 127.0.0.1 that nobody listens on. */
export function freePort(): Promise<number> {
  return free(isFree);
}

/** One that is free together with the bus port that belongs to it. */
export function freeClusterPort(): Promise<number> {
  return free(async (port) => (await isFree(port)) && (await isFree(port + BUS)));
}

async function free(suits: (port: number) => Promise<boolean>): Promise<number> {
  for (let tried = 0; tried < BLOCK; tried++) {
    const port = first + (taken++ % BLOCK);
    if (await suits(port)) return port;
  }
  throw new Error(`none of the ports ${first} to ${first + BLOCK - 1} is free`);
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
