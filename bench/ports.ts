// Ports for servers that must be told theirs, and waiting until they answer.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Below the range from which outgoing connections get theirs, so that nobody takes one in between. */
const LOWEST = 12_000;
const HIGHEST = 32_000;
const TRIES = 1_000;
const BETWEEN_TRIES_MS = 20;

/** A port on 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
}

/** Resolves once `isUp`; rejects where the process ends before, or after 20 s. */
export async function untilUp(child: ChildProcess, what: string, isUp: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (child.pid === undefined) throw new Error(`${what} could not be started`);
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${what} ended while it started`);
    if (await isUp()) return;
    await pause(BETWEEN_TRIES_MS);
  }
  throw new Error(`${what} did not come up`);
}

/** Whether somebody listens. */
export async function listens(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
