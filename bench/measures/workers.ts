// One process and several: throughput, and how much of what this machine allows is reached. Load generator and
// upstream use cores, too, so that on a small machine n workers cannot have n cores.
import { availableParallelism } from 'node:os';
import type { Bench } from '../bench.ts';
import { fastestListener, type GatewayOptions, refusalOf, startGateway } from '../gateway.ts';
import { keySet } from '../keys.ts';
import { startUpstream } from '../nginx.ts';
import { cpuSeconds, endedChildrenSeconds } from '../processes.ts';
import { missingProgram } from '../programs.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import type { Stack } from '../stack.ts';
import { spreadOf } from '../statistics.ts';
import { load } from '../wrk.ts';
import { fit } from './fit.ts';

const WARM_UP_S = 2;

interface Sample {
  readonly requestsPerS: number;
  readonly cpuUs: number;
  /** What load generator, upstream and Redis spent a request, microseconds. */
  readonly othersUs: number;
}

export interface WorkersRow extends Sample {
  readonly workers: number;
  /** To one worker's throughput in the same round. */
  readonly ratio: number;
  /** What the cores allow, if all the work spread over them evenly; a worker has one core at most. */
  readonly attainablePerS: number;
}

export async function workers(bench: Bench): Promise<void> {
  const { options, say } = bench;
  const machine = machineLine();
  const cores = availableParallelism();
  const counts = [...new Set([1, 2, cores])].sort((a, b) => a - b);
  const http = await fastestListener(bench);
  const stacks = await fit(
    bench,
    counts.map((count) => stackOf(bench, { http, workers: count })),
  );
  const samples = new Map<string, Sample[]>(stacks.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const stack of stacks) {
      say(`round ${round} of ${options.rounds}: ${stack.title}`);
      samples.get(stack.name)!.push(await sample(bench, stack));
    }
  }
  const one = samples.get(nameOf(1));
  const rows = counts.flatMap((count): WorkersRow[] => {
    const own = samples.get(nameOf(count));
    if (!own) return [];
    const median = (figure: keyof Sample) => spreadOf(own.map((each) => each[figure])).median;
    const ratios = own.map((each, round) => each.requestsPerS / (one?.[round]?.requestsPerS ?? Number.NaN));
    const [cpuUs, othersUs] = [median('cpuUs'), median('othersUs')];
    const attainablePerS = Math.min((cores * 1e6) / (cpuUs + othersUs), (count * 1e6) / cpuUs);
    const requestsPerS = median('requestsPerS');
    return [{ workers: count, requestsPerS, cpuUs, othersUs, ratio: spreadOf(ratios).median, attainablePerS }];
  });
  console.log(
    `${machine}\n${options.connections} connections, ${options.rounds} rounds of ${options.seconds} s, medians, the ${http} listener\n`,
  );
  printTable(
    ['workers', 'requests/s', '× one', 'CPU µs a request', 'wrk, nginx and Redis, µs', 'attainable/s', 'of that'],
    rows.map((row) => [
      row.workers,
      row.requestsPerS.toFixed(0),
      row.ratio.toFixed(2),
      row.cpuUs.toFixed(1),
      row.othersUs.toFixed(1),
      row.attainablePerS.toFixed(0),
      (row.requestsPerS / row.attainablePerS).toFixed(2),
    ]),
  );
  console.log(
    `\nThis machine has ${cores} cores, which the load generator, the upstream and Redis share with the workers: attainable is what all of them together leave room for.`,
  );
  keepResults('workers', options, machine, { cores, rows });
}

function nameOf(count: number): string {
  return `workers-${count}`;
}

function stackOf({ session }: Bench, options: GatewayOptions & { readonly workers: number }): Stack {
  return {
    name: nameOf(options.workers),
    title: `Portcullis, workers: ${options.workers}`,
    job: 'whole',
    missing: async () => missingProgram('redis-server') ?? (await refusalOf({ session }, options)),
    start: (scene) => startGateway(scene, options),
  };
}

async function sample({ session, options }: Bench, stack: Stack): Promise<Sample> {
  const keys = keySet();
  const upstream = await startUpstream(session);
  const running = await stack.start({ session, keys, upstream: upstream.port });
  try {
    const how = { connections: options.connections, keys: keys.working.map(({ text }) => text) };
    await load(session, running, { ...how, seconds: WARM_UP_S });
    const others = () => endedChildrenSeconds() + cpuSeconds([upstream.pid, ...running.storePids]);
    const before = others();
    const { requests, requestsPerS, cpuUsPerRequest } = await load(session, running, {
      ...how,
      seconds: options.seconds,
    });
    return { requestsPerS, cpuUs: cpuUsPerRequest, othersUs: ((others() - before) * 1e6) / requests };
  } finally {
    await running.stop();
    await upstream.stop();
  }
}
