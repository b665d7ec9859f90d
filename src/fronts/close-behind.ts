// What becomes of a request body that nobody reads because the answer was given early. A short one is read
// away so that the connection lives on; otherwise the connection lingers while the client reads the answer,
// and is then closed: closing with unread bytes at once would reset it and lose the answer (RFC 9112 9.6).
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';

/** Whether an unread body of this declared length (null: chunked) is too long to be read away. */
export function mustCloseBehind(contentLength: number | null): boolean {
  return contentLength === null || contentLength > BOUNDS.drainBodyBytes;
}

/** Reads and drops what still comes, for a bounded time and amount, then ends the connection. */
export function lingerAndClose(request: IncomingMessage, lingerMs: number = BOUNDS.lingerMs): void {
  const { socket } = request;
  let dropped = 0;
  request.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > BOUNDS.lingerBytes) socket.destroy();
  });
  request.on('error', ignore);
  request.resume();
  destroyLater(socket, lingerMs);
}

/** Ends a connection for writing at once, if that has not been done, and altogether a little later. */
export function endAndClose(socket: Socket, lastBytes: string): void {
  socket.on('error', ignore);
  // An answer may have ended it already: to write then, be it nothing, would destroy it, and reset what the client reads.
  if (!socket.writableEnded) socket.end(lastBytes, 'latin1');
  socket.resume();
  destroyLater(socket, BOUNDS.lingerMs);
}

function destroyLater(socket: Socket, lingerMs: number): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(timer));
}

function ignore(): void {}
