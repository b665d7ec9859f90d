// Tells when the client's side of an exchange has closed, once: after the whole answer, or before it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Who is to be told that a connection has closed. */
export interface ConnectionWatcher {
  clientClosed(): void;
}

/** Tells when a client's connection has closed, until {@link unwatchConnection}. */
export function watchConnection(socket: Socket, watcher: ConnectionWatcher): void {
  let those = watchers.get(socket);
  if (!those) {
    those = new Watchers(socket);
    watchers.set(socket, those);
  }
  those.add(watcher);
}

export function unwatchConnection(socket: Socket, watcher: ConnectionWatcher): void {
  watchers.get(socket)?.delete(watcher);
}

/** Who watches one connection: one listener on it, not one a request. */
class Watchers {
  readonly #socket: Socket;
  /** Nearly always there is one at a time, for which a set would cost more than all else here. */
  #one: ConnectionWatcher | null = null;
  readonly #more = new Set<ConnectionWatcher>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => this.#closed());
  }

  add(watcher: ConnectionWatcher): void {
    if (this.#one === null) this.#one = watcher;
    else this.#more.add(watcher);
    if (this.#socket.destroyed) process.nextTick(() => this.#has(watcher) && watcher.clientClosed());
  }

  delete(watcher: ConnectionWatcher): void {
    if (this.#one === watcher) this.#one = null;
    else if (this.#more.size > 0) this.#more.delete(watcher);
  }

  #has(watcher: ConnectionWatcher): boolean {
    return this.#one === watcher || this.#more.has(watcher);
  }

  #closed(): void {
    this.#one?.clientClosed();
    for (const each of this.#more) each.clientClosed();
  }
}

const watchers = new WeakMap<Socket, Watchers>();

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
