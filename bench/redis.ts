// A redis-server of the benchmark's own: nothing saved, nothing evicted.
import { freePort, listens, untilUp } from './ports.ts';
import type { Session } from './session.ts';

export interface BenchRedis {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startRedis(session: Session): Promise<BenchRedis> {
  const port = await freePort();
  const words = {
    port: String(port),
    bind: '127.0.0.1',
    dir: session.newFolder('redis'),
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
    loglevel: 'warning',
  };
  const child = session.spawn(
    'redis-server',
    Object.entries(words).flatMap(([name, value]) => [`--${name}`, value]),
  );
  await untilUp(child, 'redis-server', () => listens(port));
  return { port, url: `redis://127.0.0.1:${port}`, pid: child.pid!, stop: () => session.end(child) };
}
