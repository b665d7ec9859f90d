// One connection on which one request follows the other, as exact bytes, with as little around it as can be: what is
// timed is the other end.
import { once } from 'node:events';
import { connect } from 'node:net';

export interface OneConnection {
  /** Sends the bytes of a request; gives how long its answer took to its last byte, us, and the answer. */
  ask(request: Buffer): Promise<{ readonly us: number; readonly answer: Buffer }>;
  close(): void;
}

export async function openConnection(port: number): Promise<OneConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let parts: Buffer[] = [];
  let wanted = 0;
  let sentAt = 0n;
  let settle: ((answer: { us: number; answer: Buffer }) => void) | undefined;
  let fail: ((error: Error) => void) | undefined;
  socket.on('data', (bytes: Buffer) => {
    const at = process.hrtime.bigint();
    parts.push(bytes);
    const answer = parts.length === 1 ? bytes : Buffer.concat(parts);
    if (wanted === 0) wanted = lengthOf(answer);
    if (wanted === 0 || answer.length < wanted) return;
    parts = [];
    settle?.({ us: Number(at - sentAt) / 1_000, answer });
  });
  socket.on('close', () => fail?.(new Error('the connection was closed')));
  socket.on('error', (error) => fail?.(error));
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        [settle, fail, wanted] = [resolve, reject, 0];
        if (socket.destroyed) throw new Error('the connection was closed');
        sentAt = process.hrtime.bigint();
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}

/** Of the whole answer, bytes; 0 while its head is not there. */
function lengthOf(answer: Buffer): number {
  const end = answer.indexOf('\r\n\r\n');
  if (end === -1) return 0;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.toString('latin1', 0, end))?.[1];
  if (length === undefined) throw new Error('an answer without Content-Length');
  return end + 4 + Number(length);
}
