// The entry of a worker process. The primary that started it says what to do and when to end; signals that a
// terminal or a service manager sends to the whole group are for the primary alone.
import { Worker } from './worker.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

/** Messages wait because the primary does not read. */
let isFull = false;

const worker = new Worker({
  tell: (message: FromWorker) => {
    // News of the guard can be done without; all else is bounded by what the primary asks.
    if (!process.connected || (isFull && message.kind === 'guard')) return;
    isFull = !process.send!(message, undefined, undefined, () => {
      isFull = false;
    });
  },
  exit: (code) => process.exit(code),
});
process.on('message', (message: ToWorker) => worker.hear(message));
// The primary is gone, and nobody will take this one's place: what is under way is finished, and that is all.
process.on('disconnect', () => worker.end());
