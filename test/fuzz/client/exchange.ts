// One client: writes its parts, waits for the answers that a strict reader would expect, and ends. A client that ends
// before counts as gone (Node closes a half-closed connection), so it waits for its answers, but for a while only.
import { connect } from 'node:net';
import type { FuzzCase } from '../fuzz-case.ts';
import { strictAnswerAt } from '../strict/answers.ts';
import { strictRequests } from '../strict/requests.ts';

export interface Sent {
  readonly peer: string;
  /** One character a byte. */
  readonly received: string;
  /** The connection did not end, though the client had ended its side. */
  readonly isStuck: boolean;
}

/** After so long a silence the client ends, ms: a request that the gateway still waits for the rest of is not answered. */
const SILENCE_MS = 60;
/** From then to the end of the connection, ms: the upstream answers at once, and lingering takes a second. */
const SETTLED_MS = 5_000;

/**
 * @param peer the address to come from, out of 127.0.0.0/8
 * @param silenceMs how long to wait for an answer
 */
export function exchange(
  port: number,
  peer: string,
  { setting, parts }: FuzzCase,
  silenceMs = SILENCE_MS,
): Promise<Sent> {
  const { requests, state } = strictRequests(parts.join(''));
  const methods = requests.filter(({ isWhole }) => isWhole).map(({ method }) => method);
  const expected = methods.length + (state === 'invalid' ? 1 : 0);
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: peer, noDelay: true, allowHalfOpen: true });
    let received = '';
    let answers = 0;
    let readTo = 0;
    let isWritten = false;
    let timer = setTimeout(() => over(true), SETTLED_MS);
    const over = (isStuck: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ peer, received, isStuck });
    };
    const end = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => over(true), SETTLED_MS);
      socket.end();
    };
    const look = (): void => {
      if (!isWritten || socket.writableEnded) return;
      for (let answer; answers < expected; answers++, readTo = answer.end) {
        answer = strictAnswerAt(received, readTo, methods[answers] ?? 'GET', false);
        if (typeof answer === 'string' || answer.state !== 'whole') break;
      }
      if (answers >= expected) return end();
      clearTimeout(timer);
      timer = setTimeout(end, silenceMs);
    };
    const write = (at: number): void => {
      if (socket.destroyed) return;
      if (at < parts.length)
        return void socket.write(Buffer.from(parts[at]!, 'latin1'), () => setImmediate(write, at + 1));
      if (setting === 'reset') return void socket.resetAndDestroy();
      isWritten = true;
      look();
    };
    socket
      .on('connect', () => write(0))
      .on('data', (bytes: Buffer) => {
        received += bytes.toString('latin1');
        look();
      })
      .on('error', () => {})
      .on('end', () => socket.end())
      .on('close', () => over(false));
  });
}
