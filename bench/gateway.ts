// A Portcullis of the benchmark's own, as its operator would run it: `serve` over a Redis, with the run's keys in it.
import type { ChildProcess } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigInput } from '../src/config/schema.ts';
import type { Peppers } from '../src/secrets/peppers.ts';
import { compiledMain } from './compiled.ts';
import { GATEWAY_ENV, gatewayConfig } from './gateway-config.ts';
import { storeKeys } from './gateway-keys.ts';
import { ALLOWED } from './keys.ts';
import { freePort, untilUp } from './ports.ts';
import { type BenchRedis, startRedis } from './redis.ts';
import type { RunningStack, Scene } from './stack.ts';

const CONFIG = 'portcullis.yaml';

export interface GatewayOptions {
  readonly http?: 'node' | 'strict';
  readonly requests?: 'all' | 'denied';
  /** Where standard output goes: nowhere, to a reader, to a file, or into a pipe that nobody reads. */
  readonly output?: 'discarded' | 'read' | 'file' | 'unread';
  /** Whether standard error is the caller's to read; else it is shown. */
  readonly errors?: 'read';
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
  const config = gatewayConfig({ port, opsPort, upstream, redis: redis.url }, options);
  writeConfig(home, config);
  const peppers = await storeKeys(config, keys.all, options.allow ?? ALLOWED);
  const child = session.spawn(
    process.execPath,
    [...(options.nodeOptions ?? []), await compiledMain(session), 'serve', '-c', CONFIG],
    {
      cwd: home,
      env: GATEWAY_ENV,
      stdio: ['ignore', outputOf(options, home), options.errors === 'read' ? 'pipe' : 'inherit'],
    },
  );
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
  writeConfig(home, gatewayConfig({ port: 1, opsPort: 2, upstream: 3, redis: 'redis://127.0.0.1:4' }, options));
  const child = scene.session.spawn(process.execPath, [await compiledMain(scene.session), 'check', '-c', CONFIG], {
    cwd: home,
    env: GATEWAY_ENV,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return code === 0 ? undefined : `this version does not take it: ${said.trim().split('\n').at(0)}`;
}

/** The listener that is measured where only one is: the strict one, if this version has it. */
export async function fastestListener(scene: Pick<Scene, 'session'>): Promise<'strict' | 'node'> {
  return (await refusalOf(scene, { http: 'strict' })) === undefined ? 'strict' : 'node';
}

/** A sample of `/metrics`, its series summed; 0 where there is none. */
export async function metric(gateway: Pick<BenchGateway, 'opsPort'>, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.opsPort}/metrics`)).text();
  const lines = text.split('\n').filter((line) => /^\w+/.exec(line)?.[0] === name && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** JSON is YAML too. */
function writeConfig(home: string, config: ConfigInput): void {
  writeFileSync(join(home, CONFIG), JSON.stringify(config, null, 1));
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
