// A real primary with two replicas and the three Sentinels that watch them, of a test's own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { freePort } from './acceptance-ports.ts';
import { eventually } from './acceptance-wait.ts';
import { answers, startRedis, tell, type TestRedis } from './redis.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

export const PRIMARY = 'main';

export interface SentinelOptions {
  /** Lines of every server's redis.conf. */
  readonly config?: Readonly<Record<string, string>>;
  /** Lines of every Sentinel's configuration. */
  readonly sentinelLines?: readonly string[];
}

/** One Sentinel. */
interface Sentinel {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
}

export class TestSentinels {
  /** The primary that it began with, then its replicas. */
  readonly servers: readonly TestRedis[];
  readonly sentinels: readonly Sentinel[];
  readonly url: string;
  readonly #dir: TempDir;

  constructor(servers: readonly TestRedis[], sentinels: readonly Sentinel[], dir: TempDir) {
    this.servers = servers;
    this.sentinels = sentinels;
    this.#dir = dir;
    this.url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${PRIMARY}`;
  }

  /** The primary, as the first Sentinel sees it. */
  async primary(): Promise<TestRedis> {
    const address = await tell(this.sentinels[0] as Sentinel, 'sentinel', 'get-master-addr-by-name', PRIMARY);
    const port = Number((address as string[])[1]);
    return this.servers.find((server) => server.port === port) as TestRedis;
  }

  /** Has the Sentinels put another primary in the place of one that is well. */
  async failOver(): Promise<void> {
    await tell(this.sentinels[0] as Sentinel, 'sentinel', 'failover', PRIMARY);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.sentinels.map(({ process }) => end(process)));
    await Promise.all(this.servers.map((server) => server.dispose()));
    await this.#dir.remove();
  }
}

/** Starts them and waits until all know each other; `dispose` them in an `after` hook. */
export async function startSentinels({
  config = {},
  sentinelLines = [],
}: SentinelOptions = {}): Promise<TestSentinels> {
  const dir = await makeTempDir();
  const primary = await startRedis({ config: { 'repl-diskless-sync-delay': '0', ...config } });
  const follows = { replicaof: `127.0.0.1 ${primary.port}`, 'repl-diskless-sync-delay': '0', ...config };
  const replicas = await Promise.all([1, 2].map(() => startRedis({ config: follows })));
  await eventually(async () => {
    const info = String(await tell(primary, 'info', 'replication'));
    if ((info.match(/state=online/g) ?? []).length !== 2) throw new Error(info);
  });
  const sentinels = await Promise.all(
    [1, 2, 3].map((number) => startSentinel(dir.file(`sentinel-${number}.conf`), primary.port, sentinelLines)),
  );
  const all = new TestSentinels([primary, ...replicas], sentinels, dir);
  for (const sentinel of sentinels)
    await eventually(
      async () => {
        const flat = (await tell(sentinel, 'sentinel', 'master', PRIMARY)) as string[];
        const fact = (name: string) => flat[flat.indexOf(name) + 1];
        if (fact('num-slaves') !== '2' || fact('num-other-sentinels') !== '2') throw new Error(flat.join(' '));
      },
      { withinMs: 15_000 },
    );
  return all;
}

async function startSentinel(file: string, primaryPort: number, lines: readonly string[]): Promise<Sentinel> {
  const port = await freePort();
  const own = [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor ${PRIMARY} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${PRIMARY} 700`,
    `sentinel failover-timeout ${PRIMARY} 3000`,
    ...lines,
  ];
  await writeFile(file, `${own.join('\n')}\n`);
  const process = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  await eventually(async () => {
    if (!(await answers(port, false))) throw new Error(`the Sentinel at port ${port} does not answer`);
  });
  return { url: `redis://127.0.0.1:${port}`, port, process };
}

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exited = once(process, 'exit');
  process.kill('SIGKILL');
  await exited;
}
