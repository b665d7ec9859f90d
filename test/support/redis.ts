// A real redis-server of a test's own: on a free port, in a directory of its own, to be stopped, killed,
// restarted and paused at will.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Redis } from 'ioredis';
import { freeClusterPort, freePort } from './acceptance-ports.ts';
import { own } from './own-process.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

export interface PemFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface RedisOptions {
  /** Lines of redis.conf, over the defaults here: nothing saved, nothing appended. */
  readonly config?: Readonly<Record<string, string>>;
  /** A port to use; a free one is found without it. */
  readonly port?: number;
  /** `false`: the server is set up but not running until `start`. */
  readonly isStarted?: boolean;
  /** Serves TLS only, with these PEM files. */
  readonly tls?: PemFiles;
}

/** One server. After `stop` or `kill`, `start` runs it again on the same port and directory. */
export class TestRedis {
  readonly port: number;
  readonly url: string;
  readonly dir: TempDir;
  readonly #config: Readonly<Record<string, string>>;
  readonly #isTls: boolean;
  #process: ChildProcess | undefined;

  constructor(port: number, dir: TempDir, options: RedisOptions) {
    const { tls } = options;
    this.port = port;
    this.dir = dir;
    this.#isTls = tls !== undefined;
    this.url = `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`;
    this.#config = {
      ...listenerConfig(port, tls),
      bind: '127.0.0.1',
      dir: dir.path,
      save: '',
      appendonly: 'no',
      'maxmemory-policy': 'noeviction',
      loglevel: 'warning',
      ...options.config,
    };
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Runs the server and resolves once it answers. `config` is over what it was set up with, for this run. */
  async start(config: Readonly<Record<string, string>> = {}): Promise<void> {
    const lines = Object.entries({ ...this.#config, ...config }).map(
      ([name, value]) => `${name} ${value === '' ? '""' : value}`,
    );
    const child = own(spawn('redis-server', ['-'], { stdio: ['pipe', 'pipe', 'inherit'] }));
    this.#process = child;
    child.stdin.end(lines.join('\n'));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const exited = once(child, 'exit').then(() => {
      if (this.#process === child) this.#process = undefined;
      return 'exited' as const;
    });
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (await answers(this.port, this.#isTls)) return;
      if ((await Promise.race([exited, delay(25)])) === 'exited') break;
    }
    await this.kill();
    throw new Error(`redis-server did not start:\n${output}`);
  }

  /** Ends the server as an operator would: what its configuration persists is written. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends the server at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(config?: Readonly<Record<string, string>>): Promise<void> {
    await this.kill();
    await this.start(config);
  }

  /** The server falls silent: connections stay open, nothing is answered. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Ends the server and removes its directory. For `after` hooks. */
  async dispose(): Promise<void> {
    await this.kill();
    await this.dir.remove();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    await exited;
  }
}

/** Lines that have a server or a Sentinel listen at a port, over TLS if PEM files are given. */
export function listenerConfig(port: number, tls: PemFiles | undefined): Readonly<Record<string, string>> {
  if (!tls) return { port: String(port) };
  return {
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': tls.cert,
    'tls-key-file': tls.key,
    'tls-ca-cert-file': tls.ca,
    'tls-auth-clients': 'no',
  };
}

/** Sends one command to a server over a connection of its own. */
export async function tell({ url }: { readonly url: string }, ...words: [string, ...string[]]): Promise<unknown> {
  const tls = url.startsWith('rediss:') ? { tls: { rejectUnauthorized: false } } : {};
  const client = new Redis(url, { ...tls, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => {});
  const [name, ...args] = words;
  try {
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

/** Starts a server; `dispose` it in an `after` hook. */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const dir = await makeTempDir();
  for (let attempt = 1; ; attempt += 1) {
    const redis = new TestRedis(options.port ?? (await portFor(options)), dir, options);
    if (options.isStarted === false) return redis;
    try {
      await redis.start();
      return redis;
    } catch (error) {
      // Another test may have been faster on a port that was free a moment ago.
      if (options.port !== undefined || attempt === 3) {
        await dir.remove();
        throw error;
      }
    }
  }
}

/** A node of a Cluster listens at two. */
function portFor({ config }: RedisOptions): Promise<number> {
  return config?.['cluster-enabled'] === 'yes' ? freeClusterPort() : freePort();
}

/** Whether the server answers; over TLS, whether it accepts. */
export function answers(port: number, isTls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    const settle = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
    socket.on('connect', () => (isTls ? settle(true) : socket.write('PING\r\n')));
    socket.on('data', (data) => settle(data.toString().startsWith('+PONG') || data.toString().startsWith('-NOAUTH')));
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
