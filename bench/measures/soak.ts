// Full load for long: whether memory, file descriptors or sockets grow, and whether the process has anything to say.
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { fastestListener, startGateway } from '../gateway.ts';
import { keySet } from '../keys.ts';
import { startUpstream } from '../nginx.ts';
import { openDescriptors, residentBytes } from '../processes.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { load } from '../wrk.ts';

const EVERY_MS = 5_000;
/** Longest wait for the connections of a load to be gone; idle ones to the upstream are kept for a while. */
const SETTLE_MS = 30_000;
const MB = 1e6;

interface Sample {
  readonly atS: number;
  readonly residentMb: number;
  readonly descriptors: number;
  readonly warnings: number;
}

export async function soak({ session, options, say }: Bench): Promise<void> {
  const machine = machineLine();
  const keys = keySet();
  const upstream = await startUpstream(session);
  const http = await fastestListener({ session });
  const gateway = await startGateway({ session, keys, upstream: upstream.port }, { http, errors: 'read' });
  let warnings = 0;
  gateway.child.stderr!.on('data', (chunk: Buffer) => {
    warnings += chunk.toString().split('\n').length - 1;
    process.stderr.write(chunk);
  });
  const before = openDescriptors(gateway.pids);
  const startedAt = performance.now();
  const samples: Sample[] = [];
  const take = () => {
    const atS = (performance.now() - startedAt) / 1000;
    const { all } = openDescriptors(gateway.pids);
    samples.push({ atS, residentMb: residentBytes(gateway.pids) / MB, descriptors: all, warnings });
  };
  const timer = setInterval(take, EVERY_MS);
  say(`full load for ${options.minutes} minutes`);
  const result = await load(session, gateway, {
    connections: options.connections,
    keys: keys.working.map(({ text }) => text),
    seconds: options.minutes * 60,
  }).finally(() => clearInterval(timer));
  take();
  const after = await settled(() => openDescriptors(gateway.pids), before.sockets);
  console.log(`${machine}\n${options.connections} connections, ${options.minutes} minutes, the ${http} listener\n`);
  printTable(
    ['', 'first', 'last', 'least', 'most', 'slope an hour, second half'],
    [
      rowOf('resident, MB', samples, (sample) => sample.residentMb),
      rowOf('open file descriptors', samples, (sample) => sample.descriptors),
    ],
  );
  console.log(
    `\n${result.requests} requests, ${result.errors} failed, ${result.cpuUsPerRequest.toFixed(1)} CPU µs a request; ${warnings} lines on standard error\n` +
      `sockets before the load ${before.sockets}, after it ${after.sockets}; file descriptors ${before.all} and ${after.all}`,
  );
  keepResults('soak', options, machine, { samples, before, after, warnings, result });
  await gateway.stop();
  await upstream.stop();
}

/** What is left once it has come down to what it was, or when waiting for that is over. */
async function settled<T extends { readonly sockets: number }>(look: () => T, goal: number): Promise<T> {
  const until = performance.now() + SETTLE_MS;
  while (look().sockets > goal && performance.now() < until) await pause(200);
  return look();
}

function rowOf(what: string, samples: readonly Sample[], figure: (sample: Sample) => number): string[] {
  const values = samples.map(figure);
  const shown = [values[0]!, values.at(-1)!, Math.min(...values), Math.max(...values)].map((value) => value.toFixed(1));
  const half = samples.slice(Math.floor(samples.length / 2));
  return [what, ...shown, half.length < 2 ? '' : (slope(half, figure) * 3600).toFixed(2)];
}

/** Of the least squares line, a second. */
function slope(samples: readonly Sample[], figure: (sample: Sample) => number): number {
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, each) => sum + of(each), 0) / samples.length;
  const [atS, value] = [mean((sample) => sample.atS), mean(figure)];
  const both = mean((sample) => (sample.atS - atS) * (figure(sample) - value));
  return both / mean((sample) => (sample.atS - atS) ** 2);
}
