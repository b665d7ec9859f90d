// Ten million requests with bad keys, no two alike, from millions of addresses: what they leave in the gateway and in Redis.
// Promised is that memory stays flat, that no series is added and that Redis has a key for a source, not for an attempt.
import { Redis } from 'ioredis';
import { found } from '../../test/support/findings.ts';
import { sendStrangers, strangerAddresses, type Statuses, STRANGER_KINDS } from '../../test/support/strangers.ts';
import type { Bench } from '../bench.ts';
import { heldBytes } from '../garbage.ts';
import { type BenchGateway, metric, startGateway } from '../gateway.ts';
import { keySet } from '../keys.ts';
import { residentBytes } from '../processes.ts';
import { freePort } from '../ports.ts';
import { missingProgram } from '../programs.ts';
import { UsageFault } from '../options.ts';
import { keepResults, machineLine, printTable } from '../report.ts';

const REQUESTS = 10_000_000;
const PARTS = 10;
/** Pipelined, as each that is looked up waits for its time. */
const AHEAD = 16;
/** More memory than after the first part, at the most. */
const MOST_MIB = 10;
const MIB = 1024 * 1024;

interface Row {
  readonly requests: number;
  readonly seconds: number;
  readonly residentMib: number;
  /** Resident after a full garbage collection: what is held. */
  readonly heldMib: number;
  readonly heapMib: number;
  readonly series: number;
  readonly redisKeys: number;
  readonly redisMib: number;
  readonly addresses: number;
  readonly statuses: Statuses;
}

export async function strangers({ session, options, say }: Bench): Promise<void> {
  const missing = missingProgram('redis-server');
  if (missing !== undefined) throw new UsageFault(missing);
  const machine = machineLine();
  const requests = options.requests ?? REQUESTS;
  const inspectorPort = await freePort();
  const gateway = await startGateway(
    { session, keys: keySet(1), upstream: 1 },
    {
      change: (config) => ({
        ...config,
        trustedProxies: ['127.0.0.1/32'],
        // A busy machine is not what is measured.
        store: { ...config.store, timeout: '2s' },
      }),
      nodeOptions: [`--inspect=127.0.0.1:${inspectorPort}`],
      errors: 'read',
    },
  );
  gateway.child.stderr!.resume();
  const held = () => heldBytes(inspectorPort, gateway.child.pid!);
  const redis = new Redis(gateway.redis.port, '127.0.0.1');
  const rows: Row[] = [await look(gateway, redis, { requests: 0, seconds: 0, statuses: {} }, held)];
  const began = performance.now();
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [part, part + 1].map((at) => Math.round((requests * at) / PARTS)) as [number, number];
    const { connections } = options;
    const statuses = await sendStrangers({
      port: gateway.port,
      from,
      to,
      connections,
      ahead: AHEAD,
    });
    const seconds = (performance.now() - began) / 1_000;
    const row = await look(gateway, redis, { requests: to, seconds, statuses }, held);
    rows.push(row);
    say(
      `${to} requests in ${row.seconds.toFixed(0)} s: ${row.residentMib.toFixed(1)} MiB resident, ${row.heldMib.toFixed(1)} held`,
    );
  }
  redis.disconnect();
  await gateway.stop();
  report(machine, requests, rows);
  keepResults('strangers', options, machine, { rows });
}

async function look(
  gateway: BenchGateway,
  redis: Redis,
  sent: Pick<Row, 'requests' | 'seconds' | 'statuses'>,
  held: () => Promise<number>,
): Promise<Row> {
  const residentMib = residentBytes(gateway.pids) / MIB;
  const heldMib = (await held()) / MIB;
  const heap = await metric(gateway, 'nodejs_heap_size_used_bytes');
  const text = await (await fetch(`http://127.0.0.1:${gateway.opsPort}/metrics`)).text();
  const memory = /used_memory:(\d+)/.exec(await redis.info('memory'))?.[1];
  return {
    ...sent,
    residentMib,
    heldMib,
    heapMib: heap / MIB,
    series: text.split('\n').filter((line) => line.startsWith('portcullis_')).length,
    redisKeys: await redis.dbsize(),
    redisMib: Number(memory) / MIB,
    addresses: strangerAddresses(sent.requests),
  };
}

function report(machine: string, requests: number, rows: readonly Row[]): void {
  console.log(`${machine}\n${requests.toLocaleString('en')} requests, in turn: ${STRANGER_KINDS.join(', ')}\n`);
  printTable(
    [
      'requests',
      's',
      'resident MiB',
      'held MiB',
      'heap MiB',
      'series',
      'addresses so far',
      'Redis keys',
      'Redis MiB',
      'answers',
    ],
    rows.map((row) => [
      row.requests,
      row.seconds.toFixed(0),
      row.residentMib.toFixed(1),
      row.heldMib.toFixed(1),
      row.heapMib.toFixed(1),
      row.series,
      row.addresses,
      row.redisKeys,
      row.redisMib.toFixed(1),
      Object.entries(row.statuses)
        .map(([status, count]) => `${status}: ${count}`)
        .join(', '),
    ]),
  );
  const [, first] = rows;
  const last = rows.at(-1)!;
  const more = last.heldMib - first!.heldMib;
  const finding = {
    promise: 4,
    tried: `${requests.toLocaleString('en')} different bad keys from ${last.addresses.toLocaleString('en')} addresses`,
    promised: `at most ${MOST_MIB} MiB more held after the last tenth than after the first; series constant; Redis keys bounded by sources`,
    seen: `${more.toFixed(1)} MiB more held (${last.heldMib.toFixed(0)} MiB after a garbage collection; at most ${Math.max(...rows.map((row) => row.residentMib)).toFixed(0)} MiB resident without), series ${first!.series} then ${last.series}, at most ${Math.max(...rows.map(({ redisKeys }) => redisKeys)).toLocaleString('en')} Redis keys`,
    isMissed: more > MOST_MIB || first!.series !== last.series,
  };
  found({ diagnostic: (message) => console.log(`\n${message}`) }, finding);
}
