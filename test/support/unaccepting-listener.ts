// A port where connections are neither accepted nor refused: its listener's queue is full and its thread is
// blocked, so the system drops what comes next, as a dead or drowned host would.
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { inTime } from './acceptance-wait.ts';

const BLOCKED = `
const { createServer } = require('node:net');
const { parentPort, workerData } = require('node:worker_threads');
const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(workerData), 0, 0));
});`;

export interface UnacceptingListener {
  readonly origin: string;
  close(): Promise<void>;
}

export async function startUnacceptingListener(): Promise<UnacceptingListener> {
  const gate = new SharedArrayBuffer(4);
  const worker = new Worker(BLOCKED, { eval: true, workerData: gate });
  const port = await inTime(new Promise<number>((resolve) => worker.once('message', resolve)), 'the listener');
  // The queue takes one more than its length; those that found room are kept there.
  const waiting: Socket[] = [];
  for (let count = 0; count < 8; count++) waiting.push(connect({ port, host: '127.0.0.1' }).on('error', () => {}));
  const [first] = waiting;
  await inTime(new Promise<void>((resolve) => first!.once('connect', () => resolve())), 'the first connection');
  return {
    origin: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const socket of waiting) socket.destroy();
      Atomics.store(new Int32Array(gate), 0, 1);
      Atomics.notify(new Int32Array(gate), 0);
      await worker.terminate();
    },
  };
}
