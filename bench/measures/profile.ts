// Where Portcullis spends its time under load: the functions with the most time of their own, from V8's profiler.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { fastestListener, startGateway } from '../gateway.ts';
import { keySet } from '../keys.ts';
import { startUpstream } from '../nginx.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { load } from '../wrk.ts';

const WARM_UP_S = 2;
const SHOWN = 25;

/** What of a `.cpuprofile` is read. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export async function profile({ session, options, say }: Bench): Promise<void> {
  const machine = machineLine();
  const keys = keySet();
  const http = await fastestListener({ session });
  const folder = session.newFolder('profile');
  const upstream = await startUpstream(session);
  const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  const gateway = await startGateway({ session, keys, upstream: upstream.port }, { http, nodeOptions });
  const how = { connections: options.connections, keys: keys.working.map(({ text }) => text) };
  say(`profiling for ${WARM_UP_S + options.seconds} s`);
  await load(session, gateway, { ...how, seconds: WARM_UP_S });
  const { requestsPerS } = await load(session, gateway, { ...how, seconds: options.seconds });
  // The profile is written when the process ends.
  await gateway.stop();
  await upstream.stop();
  const rows = readdirSync(folder).flatMap((name) =>
    selfTimes(JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile),
  );
  const busyUs = rows.reduce((sum, { us }) => sum + us, 0);
  const top = rows.sort((a, b) => b.us - a.us).slice(0, SHOWN);
  console.log(`${machine}\n${requestsPerS.toFixed(0)} requests/s under the profiler, the ${http} listener\n`);
  printTable(
    ['self time', 'function', 'where'],
    top.map(({ us, name, where }) => [`${((us / busyUs) * 100).toFixed(1)}%`, name, where]),
  );
  keepResults('profile', options, machine, { http, busyUs, top });
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, { us: number; name: string; where: string }>();
  for (const [at, id] of samples.entries()) {
    const { functionName, url, lineNumber } = frames.get(id)!;
    if (functionName === '(idle)' || functionName === '(root)') continue;
    const where = url === '' ? '' : `${url.replace(/^.*\/(?=dist\/|node_modules\/)/, '')}:${lineNumber + 1}`;
    const key = `${functionName} ${where}`;
    const entry = times.get(key) ?? { us: 0, name: functionName === '' ? '(anonymous)' : functionName, where };
    entry.us += timeDeltas[at] ?? 0;
    times.set(key, entry);
  }
  return [...times.values()];
}
