// What a process holds, as opposed to what its garbage collector has not yet looked at: a full collection is asked for through
// Node's inspector before its memory is read.
import { residentBytes } from './processes.ts';

/** How long the inspector may take, ms. */
const PATIENCE_MS = 30_000;

/**
 * Bytes resident after a full collection.
 * @param inspectorPort of a process that was started with `--inspect=127.0.0.1:PORT`
 */
export async function heldBytes(inspectorPort: number, pid: number): Promise<number> {
  const list = (await (await fetch(`http://127.0.0.1:${inspectorPort}/json/list`)).json()) as {
    readonly webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(list[0]!.webSocketDebuggerUrl);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('the inspector does not answer')), PATIENCE_MS);
  // Twice: what finalizers let go of is garbage the second time.
  let left = 2;
  const collect = (): void => socket.send(JSON.stringify({ id: left, method: 'HeapProfiler.collectGarbage' }));
  socket.addEventListener('open', collect);
  socket.addEventListener('error', () => reject(new Error('the inspector cannot be reached')));
  socket.addEventListener('message', () => {
    left -= 1;
    if (left === 0) resolve();
    else collect();
  });
  try {
    await promise;
    return residentBytes([pid]);
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}
