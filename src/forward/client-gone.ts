// Tells when the client's side of an exchange has closed, once: after the whole answer, or before it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Who is to be told that a connection has closed. */
export interface ConnectionWatcher {
  clientClosed(): void;
}

/** One listener a connection, not one a request. */
const watchers = new WeakMap<Socket, Set<ConnectionWatcher>>();

/** Tells when a client's connection has closed, until {@link unwatchConnection}. */
export function watchConnection(socket: Socket, watcher: ConnectionWatcher): void {
  let all = watchers.get(socket);
  if (!all) {
    const those = (all = new Set<ConnectionWatcher>());
    watchers.set(socket, those);
    socket.once('close', () => {
      for (const each of those) each.clientClosed();
    });
  }
  all.add(watcher);
  if (socket.destroyed) process.nextTick(() => all.has(watcher) && watcher.clientClosed());
}

export function unwatchConnection(socket: Socket, watcher: ConnectionWatcher): void {
  watchers.get(socket)?.delete(watcher);
}

/** Calls back when the response has closed, or its connection has where the response never had its turn on it. */
export function onceGone(request: IncomingMessage, response: ServerResponse, onGone: () => void): void {
  if (response.socket === null) {
    // Node never tells a response that waits behind another on a pipelined connection that this has closed.
    const { socket } = request;
    const watcher = { clientClosed: onGone };
    watchConnection(socket, watcher);
    response.once('close', () => {
      unwatchConnection(socket, watcher);
      onGone();
    });
  } else if (response.destroyed) process.nextTick(onGone);
  else response.once('close', onGone);
}
