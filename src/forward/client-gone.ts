// Tells when the client's side of an exchange has closed, once: after the whole answer, or before it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Who is to be told that a connection has closed. */
export interface ConnectionWatcher {
  clientClosed(): void;
}

/**
 * One listener a connection, not one a request; and a list, mostly of one: a Set that is filled and emptied for every
 * request takes a new table every few of them, and a table that got old keeps all that come after it.
 */
const watchers = new WeakMap<Socket, ConnectionWatcher[]>();

/** Tells when a client's connection has closed, until {@link unwatchConnection}. */
export function watchConnection(socket: Socket, watcher: ConnectionWatcher): void {
  let all = watchers.get(socket);
  if (!all) {
    const those: ConnectionWatcher[] = (all = []);
    watchers.set(socket, those);
    socket.once('close', () => {
      for (let each = those.shift(); each; each = those.shift()) each.clientClosed();
    });
  }
  all.push(watcher);
  if (socket.destroyed) process.nextTick(() => all.includes(watcher) && watcher.clientClosed());
}

export function unwatchConnection(socket: Socket, watcher: ConnectionWatcher): void {
  const all = watchers.get(socket);
  const at = all?.lastIndexOf(watcher) ?? -1;
  if (at !== -1) all!.splice(at, 1);
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
