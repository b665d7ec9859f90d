// What a request costs as things grow: keys in the store, routes, addresses on a key, limits on a plan; and what the
// gateway holds in memory with 100,000 keys in use.
import { ask } from '../ask.ts';
import { type Bench, isAsked } from '../bench.ts';
import { type BenchGateway, fastestListener, type GatewayOptions, metric, startGateway } from '../gateway.ts';
import { gatewayConfig } from '../gateway-config.ts';
import { fillRedis } from '../fill.ts';
import { benchKey, type BenchKey, keySet, LIMITS, SCOPE } from '../keys.ts';
import { startUpstream } from '../nginx.ts';
import { residentBytes } from '../processes.ts';
import { missingProgram } from '../programs.ts';
import { type BenchRedis, startRedis } from '../redis.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { runRounds } from '../rounds.ts';
import type { Session } from '../session.ts';
import type { Stack } from '../stack.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import { load } from '../wrk.ts';
import { fit } from './fit.ts';

const KEYS = 1_000_000;
const ROUTES = 1_000;
const CIDRS = 10_000;
const PLAN_LIMITS = 20;
const WORKING_SET = 100_000;
/** By when each key of the working set has been used once, passes of a few seconds. */
const PASSES = 40;
const PASS_S = 3;
/** What `--only` calls the memory with a large working set. */
const MEMORY = 'memory';
const MB = 1e6;

type Http = 'strict' | 'node';

export interface GrowthRow {
  readonly name: string;
  readonly cpuUs: Spread;
  /** To the small configuration in the same round. */
  readonly ratio: Spread;
}

export interface MemoryFigures {
  readonly idleMb: number;
  readonly workingSetMb: number;
  readonly keysUsed: number;
}

export async function growth(bench: Bench): Promise<void> {
  const machine = machineLine();
  const http = await fastestListener(bench);
  const all = growthStacks(bench, http);
  const stacks = bench.options.only.join() === MEMORY ? [] : await fit(bench, all);
  const { connections, rounds, seconds } = bench.options;
  const loads = await runRounds(bench, { stacks, keys: keySet(), connections });
  const rows = stacks.flatMap(({ name, title }) => {
    const own = loads.get(name)!.map((each) => each.cpuUsPerRequest);
    const small = loads.get(name.startsWith('one-key') ? 'one-key' : 'small')?.map((each) => each.cpuUsPerRequest);
    if (!small) return [];
    return [{ name, title, cpuUs: spreadOf(own), ratio: spreadOf(own.map((us, round) => us / small[round]!)) }];
  });
  const memory = isAsked(bench.options, MEMORY) ? await measureMemory(bench, http) : undefined;
  console.log(
    `${machine}\n${connections} connections, ${rounds} rounds of ${seconds} s, medians (least to most), the ${http} listener\n`,
  );
  if (rows.length > 0)
    printTable(
      ['Portcullis with', 'CPU µs a request', '× the small one'],
      rows.map(({ title, cpuUs, ratio }) => [
        title,
        cpuUs.median.toFixed(1),
        `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
      ]),
    );
  if (memory) {
    const { idleMb, workingSetMb, keysUsed } = memory;
    console.log(
      `\nresident: ${idleMb.toFixed(0)} MB after the start, ${workingSetMb.toFixed(0)} MB under load with ${keysUsed} keys in use`,
    );
  }
  keepResults('growth', bench.options, machine, { rows, memory });
}

function growthStacks({ session, say }: Bench, http: Http): readonly Stack[] {
  const stack = (name: string, title: string, more: Partial<Stack> = {}, options: GatewayOptions = {}): Stack => ({
    name,
    title,
    job: 'whole',
    missing: () => missingProgram('redis-server'),
    start: (scene) => startGateway(scene, { http, ...options }),
    ...more,
  });
  let filled: Promise<BenchRedis> | undefined;
  const oneKey = keySet(1);
  return [
    stack('small', 'the small configuration'),
    stack('keys', `${KEYS.toLocaleString('en')} keys in the store`, {
      // Filled once; the gateway is fresh in every round.
      start: async (scene) => {
        filled ??= fill(session, KEYS, say);
        const gateway = await startGateway(scene, { http }, await filled);
        const { status } = await ask(gateway.port, { key: fillKey(KEYS - 1).text });
        if (status !== 200) throw new Error(`a key among very many was answered ${status}`);
        return gateway;
      },
    }),
    stack(
      'routes',
      `${ROUTES.toLocaleString('en')} routes, all of them asked for`,
      { paths: routePaths() },
      { change: manyRoutes },
    ),
    stack('limits', `${PLAN_LIMITS} limits on the plan`, {}, { change: manyLimits }),
    stack('one-key', 'the small configuration, one key', { keys: oneKey }),
    stack(
      'one-key-cidrs',
      `one key with ${CIDRS.toLocaleString('en')} CIDRs`,
      { keys: oneKey },
      { allow: manyCidrs() },
    ),
  ];
}

const manyRoutes: NonNullable<GatewayOptions['change']> = (config) => ({
  ...config,
  routes: Object.fromEntries(
    routePaths().map((path, at) => [`r${at}`, { ...config.routes!['orders']!, path: `${path}/**` }]),
  ),
});

const manyLimits: NonNullable<GatewayOptions['change']> = (config) => {
  const limit = (at: number) =>
    at % 2 === 0
      ? ({ requests: LIMITS.aMinute + at, per: '1m' } as const)
      : ({ requests: LIMITS.aDay + at, per: '1d', algorithm: 'fixed' } as const);
  const limits = Object.fromEntries(Array.from({ length: PLAN_LIMITS }, (_, at) => [`l${at}`, limit(at)]));
  return { ...config, plans: { ...config.plans, standard: { limits } } };
};

/** As long as the usual path, each under a route of its own. */
function routePaths(): string[] {
  return Array.from({ length: ROUTES }, (_, at) => `/r${at}/items`);
}

function manyCidrs(): string[] {
  const networks = Array.from({ length: CIDRS - 1 }, (_, at) => `10.${at >> 8}.${at & 255}.0/25`);
  return [...networks, '127.0.0.1/32'];
}

async function fill(session: Session, count: number, say: Bench['say']): Promise<BenchRedis> {
  const redis = await startRedis(session);
  const config = gatewayConfig({ port: 1, opsPort: 2, upstream: 3, redis: redis.url }, {});
  const seconds = await fillRedis(redis, config, fillKeys(count));
  say(`  ${count} keys written in ${seconds.toFixed(1)} s`);
  return redis;
}

function* fillKeys(count: number): Generator<BenchKey> {
  for (let at = 0; at < count; at++) yield fillKey(at);
}

function fillKey(at: number): BenchKey {
  return benchKey(`filled-${at}`, { scope: SCOPE });
}

async function measureMemory({ session, options, say }: Bench, http: Http): Promise<MemoryFigures> {
  say(`memory with ${WORKING_SET} keys in use`);
  const redis = await fill(session, WORKING_SET, say);
  const upstream = await startUpstream(session);
  const gateway = await startGateway({ session, keys: keySet(1), upstream: upstream.port }, { http }, redis);
  const idleMb = residentBytes(gateway.pids) / MB;
  const texts = [...fillKeys(WORKING_SET)].map(({ text }) => text);
  let keysUsed = 0;
  for (let pass = 0; pass < PASSES && keysUsed < WORKING_SET; pass++) {
    // Goes on where the pass before ended.
    const keys = [...texts.slice(keysUsed), ...texts.slice(0, keysUsed)];
    await load(session, gateway, { connections: options.connections, keys, seconds: PASS_S });
    keysUsed = Math.min(WORKING_SET, await missed(gateway));
  }
  await load(session, gateway, { connections: options.connections, keys: texts, seconds: options.seconds });
  const workingSetMb = residentBytes(gateway.pids) / MB;
  await gateway.stop();
  await redis.stop();
  await upstream.stop();
  return { idleMb, workingSetMb, keysUsed };
}

/** Each key is missed once, at its first use. */
function missed(gateway: BenchGateway): Promise<number> {
  return metric(gateway, 'portcullis_key_cache_events_total', 'event="miss"');
}
