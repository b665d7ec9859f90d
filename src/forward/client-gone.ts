// Tells when the client's side of an exchange has closed, once: after the whole answer, or before it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Calls back when the response has closed, or its connection has where the response never had its turn on it. */
export function onceGone(request: IncomingMessage, response: ServerResponse, onGone: () => void): void {
  if (response.socket === null) return watch(request.socket, response, onGone);
  if (response.destroyed) return process.nextTick(onGone);
  response.once('close', onGone);
}

/** Responses that wait behind another on a pipelined connection: Node never tells them that it closed. */
const waiting = new WeakMap<Socket, Map<ServerResponse, () => void>>();

function watch(socket: Socket, response: ServerResponse, onGone: () => void): void {
  let responses = waiting.get(socket);
  if (!responses) {
    const all = (responses = new Map<ServerResponse, () => void>());
    waiting.set(socket, all);
    socket.once('close', () => {
      for (const gone of all.values()) gone();
    });
  }
  responses.set(response, onGone);
  response.once('close', () => {
    waiting.get(socket)?.delete(response);
    onGone();
  });
  if (socket.destroyed) process.nextTick(onGone);
}
