// Clients whose connections stay open, and that say when and how those were ended.
import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { inTime } from './acceptance-wait.ts';

/** How a connection ended, and when, on `performance.now()`. */
export interface Ended {
  /** The close code of a WebSocket; of a stream, `cut`, or `whole` where it seemed to have come to its end. */
  readonly how: number | 'cut' | 'whole';
  readonly atMs: number;
}

export interface OpenClient {
  readonly ended: Promise<Ended>;
  isOpen(): boolean;
  close(): void;
}

export interface OpenSocket extends OpenClient {
  readonly socket: WebSocket;
  /** Sends a message and waits for its echo: the connection works. @throws Error where none comes */
  echo(): Promise<void>;
}

/** Opens a WebSocket with a key, or without one. @throws Error where the handshake is refused */
export async function openSocket(port: number, path: string, key: string | null): Promise<OpenSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: key === null ? {} : { 'X-Api-Key': key } });
  const { promise: ended, resolve } = Promise.withResolvers<Ended>();
  socket.on('close', (code) => resolve({ how: code, atMs: performance.now() }));
  await once(socket, 'open');
  socket.on('error', () => socket.terminate());
  return {
    socket,
    ended,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    close: () => socket.terminate(),
    echo: async () => {
      const answer = once(socket, 'message');
      socket.send('ping');
      await inTime(answer, 'an echo');
    },
  };
}

/** Opens a stream with a key, and waits for its first bytes. */
export async function openStream(port: number, path: string, key: string): Promise<OpenClient> {
  const agent = new Agent({ keepAlive: false });
  const sent = request({ host: '127.0.0.1', port, path, agent, headers: { 'X-Api-Key': key } });
  const { promise: ended, resolve } = Promise.withResolvers<Ended>();
  let isOpen = true;
  const answered = new Promise<void>((opened, reject) => {
    sent.on('error', reject).on('response', (response) => {
      response.once('data', () => opened()).on('error', () => undefined);
      response.on('close', () => {
        isOpen = false;
        resolve({ how: response.complete ? 'whole' : 'cut', atMs: performance.now() });
      });
    });
  });
  sent.end();
  await inTime(answered, 'the first bytes of a stream');
  return { ended, isOpen: () => isOpen, close: () => sent.destroy() };
}
