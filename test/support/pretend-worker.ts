// A process that holds a worker's place and does what its argument says: `serve` answers, `hang` begins to and
// then blocks its event loop, `die` ends at once, `refuse` says why it cannot start.
import type { FromWorker, ToWorker } from '../../src/compose/worker-messages.ts';

const tell = (message: FromWorker): void => void process.send?.(message);
const manner = process.argv[2];
if (manner === 'die') process.exit(7);

process.on('message', (message: ToWorker) => {
  if (message.kind === 'drain') process.exit(0);
  if (message.kind === 'ask') tell({ kind: 'answer', id: message.id, answer: null });
  if (message.kind !== 'start') return;
  if (manner === 'refuse') {
    tell({ kind: 'failed', message: 'cannot listen; choose another port', exitCode: 1 });
    process.exit(1);
  }
  const address = { address: '127.0.0.1', family: 'IPv4', port: message.assignment.port };
  tell({ kind: 'listening', address });
  if (manner === 'hang') setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});
process.on('disconnect', () => process.exit(0));
