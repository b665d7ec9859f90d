// The two stores the product has to work on: a SQLite file and a real Redis, each new and empty for its test.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './acceptance-ports.ts';
import { eventually } from './acceptance-wait.ts';
import { own } from './own-process.ts';

/** The stores that a guarantee is checked on. */
export const STORE_KINDS = ['sqlite', 'redis'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

/** A store that a configuration can name. */
export interface TestStore {
  readonly kind: StoreKind;
  readonly url: string;
  /** The SQLite file; undefined for Redis. */
  readonly file?: string;
  readonly redis?: RedisServer;
  close(): Promise<void>;
}

/** A running redis-server. */
export interface RedisServer {
  readonly port: number;
  /** Stops it in its tracks: connections stay open and nothing is answered. */
  stall(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** Opens a new, empty store whose files are in `directory`. */
export async function openTestStore(kind: StoreKind, directory: string): Promise<TestStore> {
  if (kind === 'sqlite') {
    const file = join(directory, 'portcullis.db');
    return { kind, url: `sqlite:${file}`, file, close: async () => {} };
  }
  const redis = await startRedis(directory);
  return { kind, url: `redis://127.0.0.1:${redis.port}/0`, redis, close: () => redis.stop() };
}

/** Starts a redis-server of one's own, on a free port unless told which, with `extra` arguments. */
export async function startRedis(
  directory: string,
  options: { readonly port?: number; readonly extra?: readonly string[] } = {},
): Promise<RedisServer> {
  const { port = await freePort(), extra = [] } = options;
  const child = own(
    spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...extra], {
      stdio: 'ignore',
    }),
  );
  const exited = once(child, 'exit');
  await eventually(() => ping(port));
  return {
    port,
    stall: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    stop: async () => {
      end(child);
      await exited;
    },
  };
}

function end(child: ChildProcess): void {
  // SIGKILL also ends a process that SIGSTOP holds; nothing in a test's Redis is worth a clean shutdown.
  if (child.exitCode === null) child.kill('SIGKILL');
}

function ping(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    socket.once('error', reject);
    socket.once('data', (bytes) => {
      socket.destroy();
      if (bytes.toString().startsWith('+PONG')) resolve();
      else reject(new Error(`Redis answered ${bytes.toString()}`));
    });
  });
}
