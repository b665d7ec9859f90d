// A Portcullis of the benchmark's own, as its operator would run it: `serve` over a Redis, with the run's keys in it.
import type { ChildProcess } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigInput } from '../src/config/schema.ts';
import { loadConfig } from '../src/config/load.ts';
import { newRecord } from '../src/manage/new-record.ts';
import { openPeppers, type Peppers } from '../src/secrets/peppers.ts';
import { openStore } from '../src/stores/open.ts';
import { ALLOWED, type BenchKey, LIMITS, SCOPE, TINY_LIMIT } from './keys.ts';
import { freePort, untilUp } from './ports.ts';
import { type BenchRedis, startRedis } from './redis.ts';
import type { RunningStack, Scene } from './stack.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');
const CONFIG = 'portcullis.yaml';
const ENV = { ...process.env, BENCH_PEPPER: 'the pepper of the benchmark, which keeps nothing secret' };

export interface GatewayOptions {
  readonly http?: 'node' | 'strict';
  readonly requests?: 'all' | 'denied';
  /** Where standard output goes: nowhere, to a reader, to a file, or into a pipe that nobody reads. */
  readonly output?: 'discarded' | 'read' | 'file' | 'unread';
  readonly workers?: number;
  /** Makes another configuration of the usual one. */
  readonly change?: (config: ConfigInput) => ConfigInput;
  /** Networks that keys may be used from. Default: {@link ALLOWED}. */
  readonly allow?: readonly string[];
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
}

export interface BenchGateway extends RunningStack {
  readonly opsPort: number;
  readonly redis: BenchRedis;
  readonly child: ChildProcess;
  readonly peppers: Peppers;
}

/** Starts it, on a Redis of its own unless one is given, which then outlives it. */
export async function startGateway(
  scene: Scene,
  options: GatewayOptions = {},
  given?: BenchRedis,
): Promise<BenchGateway> {
  const { session, keys, upstream } = scene;
  const redis = given ?? (await startRedis(session));
  const home = session.newFolder('portcullis');
  const [port, opsPort] = [await freePort(), await freePort()];
  const config = configOf({ port, opsPort, upstream, redis: redis.url }, options);
  writeConfig(home, config);
  const peppers = await storeKeys(home, keys.all, options.allow ?? ALLOWED);
  const child = session.spawn(process.execPath, [...(options.nodeOptions ?? []), MAIN, 'serve', '-c', CONFIG], {
    cwd: home,
    env: ENV,
    stdio: ['ignore', outputOf(options, home), 'inherit'],
  });
  if (options.output === 'read') child.stdout!.resume();
  await untilUp(child, 'portcullis', () => isReady(opsPort));
  const stop = async () => {
    await session.end(child);
    if (!given) await redis.stop();
  };
  return { port, opsPort, redis, child, peppers, pids: [child.pid!], storePids: [redis.pid], stop };
}

/** Why this version does not take a configuration, if it does not: parts of it may not be built yet. */
export async function refusalOf(scene: Pick<Scene, 'session'>, options: GatewayOptions): Promise<string | undefined> {
  const home = scene.session.newFolder('check');
  writeConfig(home, configOf({ port: 1, opsPort: 2, upstream: 3, redis: 'redis://127.0.0.1:4' }, options));
  const child = scene.session.spawn(process.execPath, [MAIN, 'check', '-c', CONFIG], {
    cwd: home,
    env: ENV,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return code === 0 ? undefined : `this version does not take it: ${said.trim().split('\n').at(0)}`;
}

interface Places {
  readonly port: number;
  readonly opsPort: number;
  readonly upstream: number;
  readonly redis: string;
}

/** The whole job: scopes, addresses on key and route, two limits, identity headers (these by default). */
function configOf({ port, opsPort, upstream, redis }: Places, options: GatewayOptions): ConfigInput {
  const config: ConfigInput = {
    version: 1,
    listen: { proxy: `127.0.0.1:${port}`, ops: `127.0.0.1:${opsPort}`, http: options.http ?? 'node' },
    store: { url: redis },
    credentials: { pepper: 'env:BENCH_PEPPER' },
    upstreams: { up: { targets: [`http://127.0.0.1:${upstream}`] } },
    plans: {
      standard: {
        limits: {
          minute: { requests: LIMITS.aMinute, per: '1m' },
          day: { requests: LIMITS.aDay, per: '1d', algorithm: 'fixed' },
        },
      },
      tiny: { limits: { minute: { requests: TINY_LIMIT, per: '1m' } } },
    },
    routes: { orders: { path: '/orders/**', upstream: 'up', scopes: [SCOPE], networks: { allow: [...ALLOWED] } } },
    log: { requests: options.requests ?? 'denied' },
    ...(options.workers !== undefined && { workers: options.workers }),
  };
  return options.change?.(config) ?? config;
}

/** JSON is YAML too. */
function writeConfig(home: string, config: ConfigInput): void {
  writeFileSync(join(home, CONFIG), JSON.stringify(config, null, 1));
}

/** Puts the keys where the gateway looks for them, without the command line's start a key. */
async function storeKeys(home: string, keys: readonly BenchKey[], allow: readonly string[]): Promise<Peppers> {
  const { config } = await loadConfig(join(home, CONFIG), ENV);
  const peppers = await openPeppers(config, ENV);
  const { url, prefix } = config.store;
  const store = await openStore({
    url,
    prefix,
    timeoutMs: 5_000,
    clock: Date.now,
    observe: () => undefined,
    warn: () => undefined,
  });
  try {
    await Promise.all(keys.map((key) => store.keys.save(recordOf(key, peppers, allow), 0)));
  } finally {
    await store.close();
  }
  return peppers;
}

/** A key as Portcullis keeps it. */
function recordOf({ id, text, owner, scope, plan }: BenchKey, peppers: Peppers, allow: readonly string[]) {
  const secret = { digest: peppers.current.digest(text), hint: null, createdAt: Date.now(), endsAt: null };
  return newRecord({ id, declared: false, grants: { owner, scopes: [scope], plan, allow }, meta: {}, secret }, peppers);
}

function outputOf({ output = 'discarded' }: GatewayOptions, home: string): 'ignore' | 'pipe' | number {
  switch (output) {
    case 'discarded':
      return 'ignore';
    case 'read':
    case 'unread':
      return 'pipe';
    case 'file':
      return openSync(join(home, 'log.jsonl'), 'a');
  }
}

async function isReady(opsPort: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
