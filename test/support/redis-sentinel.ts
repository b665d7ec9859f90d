// A real primary with two replicas and the three Sentinels that watch them, or one Sentinel by itself, of a test's own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { freePort } from './acceptance-ports.ts';
import { eventually } from './acceptance-wait.ts';
import { own } from './own-process.ts';
import { answers, listenerConfig, startRedis, tell, type PemFiles, type TestRedis } from './redis.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

/** The name that the Sentinels know the primary by. */
export const PRIMARY = 'main';

export interface SentinelOptions {
  /** How many Sentinels have to agree that the primary is down. */
  readonly quorum: number;
  /** A port to use; a free one is found without it. */
  readonly port?: number;
  /** Lines of its configuration. */
  readonly lines?: readonly string[];
  /** Serves TLS only, with these PEM files. */
  readonly tls?: PemFiles;
}

/** One Sentinel. */
export class TestSentinel {
  readonly port: number;
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #dir: TempDir;

  constructor(port: number, url: string, process: ChildProcess, dir: TempDir) {
    this.port = port;
    this.url = url;
    this.#process = process;
    this.#dir = dir;
  }

  async dispose(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await exited;
    }
    await this.#dir.remove();
  }
}

/** Starts a Sentinel that watches a primary; `dispose` it in an `after` hook. */
export async function startSentinel(primary: Pick<TestRedis, 'port'>, options: SentinelOptions): Promise<TestSentinel> {
  const { quorum, lines = [], tls } = options;
  const port = options.port ?? (await freePort());
  const dir = await makeTempDir();
  const settings = [
    ...Object.entries(listenerConfig(port, tls)).map(([name, value]) => `${name} ${value}`),
    ...(tls ? ['tls-replication yes'] : []),
    'bind 127.0.0.1',
    `dir ${dir.path}`,
    `sentinel monitor ${PRIMARY} 127.0.0.1 ${primary.port} ${quorum}`,
    `sentinel down-after-milliseconds ${PRIMARY} 700`,
    `sentinel failover-timeout ${PRIMARY} 3000`,
    ...lines,
  ];
  // A Sentinel writes what it learns into its own configuration.
  await writeFile(dir.file('sentinel.conf'), `${settings.join('\n')}\n`);
  const child = own(spawn('redis-server', [dir.file('sentinel.conf'), '--sentinel'], { stdio: 'ignore' }));
  const url = `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`;
  const sentinel = new TestSentinel(port, url, child, dir);
  try {
    await eventually(async () => {
      if (!(await answers(port, tls !== undefined))) throw new Error(`the Sentinel at port ${port} does not answer`);
    });
    return sentinel;
  } catch (error) {
    await sentinel.dispose();
    throw error;
  }
}

/** A primary, its replicas and their Sentinels. */
export class TestSentinels {
  /** The primary that it began with, then its replicas. */
  readonly servers: readonly TestRedis[];
  readonly sentinels: readonly [TestSentinel, ...TestSentinel[]];
  readonly url: string;

  constructor(servers: readonly TestRedis[], sentinels: readonly [TestSentinel, ...TestSentinel[]]) {
    this.servers = servers;
    this.sentinels = sentinels;
    this.url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${PRIMARY}`;
  }

  /** The primary, as the first Sentinel sees it. */
  async primary(): Promise<TestRedis> {
    const address = (await tell(this.sentinels[0], 'sentinel', 'get-master-addr-by-name', PRIMARY)) as string[];
    const primary = this.servers.find(({ port }) => String(port) === address[1]);
    if (!primary) throw new Error(`no server of ours is at ${address.join(':')}`);
    return primary;
  }

  /** Has the Sentinels put another primary in the place of one that is well. */
  async failOver(): Promise<void> {
    // Refused while they are not yet done with the last one.
    await eventually(() => tell(this.sentinels[0], 'sentinel', 'failover', PRIMARY), { withinMs: 10_000 });
  }

  async dispose(): Promise<void> {
    await Promise.all(this.sentinels.map((sentinel) => sentinel.dispose()));
    await Promise.all(this.servers.map((server) => server.dispose()));
  }
}

/** Starts them and waits until all know each other; `dispose` them in an `after` hook. */
export async function startSentinels(): Promise<TestSentinels> {
  const primary = await startRedis({ config: SYNC_AT_ONCE });
  const follows = { ...SYNC_AT_ONCE, replicaof: `127.0.0.1 ${primary.port}` };
  const replicas = await Promise.all([startRedis({ config: follows }), startRedis({ config: follows })]);
  await eventually(async () => {
    const info = String(await tell(primary, 'info', 'replication'));
    if (info.match(/state=online/g)?.length !== 2) throw new Error(info);
  });
  const watch = () => startSentinel(primary, { quorum: 2 });
  const sentinels = await Promise.all([watch(), watch(), watch()]);
  const all = new TestSentinels([primary, ...replicas], sentinels);
  for (const sentinel of sentinels)
    await eventually(
      async () => {
        const facts = ((await tell(sentinel, 'sentinel', 'master', PRIMARY)) as string[]).join(' ');
        if (!/num-slaves 2 .*num-other-sentinels 2 /.test(facts)) throw new Error(facts);
      },
      { withinMs: 15_000 },
    );
  return all;
}

const SYNC_AT_ONCE = { 'repl-diskless-sync-delay': '0' };
