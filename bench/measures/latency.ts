// How long one request takes when nobody else asks: one connection, nothing between and each stack in turns.
import type { Bench } from '../bench.ts';
import { keySet } from '../keys.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { haproxy } from '../stacks/haproxy.ts';
import { nginxLua } from '../stacks/nginx-lua.ts';
import { usualComposition } from '../stacks/node-peers.ts';
import { direct } from '../stacks/plain.ts';
import { portcullisStacks } from '../stacks/portcullis.ts';
import { spreadOf } from '../statistics.ts';
import { fit } from './fit.ts';

export interface LatencyRow {
  readonly name: string;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** To HAProxy's in the same round, medians. */
  readonly p50Ratio: number;
  readonly p99Ratio: number;
}

export async function latency(bench: Bench): Promise<void> {
  const machine = machineLine();
  const portcullis = (['strict', 'node'] as const).map((http) => portcullisStacks(bench.session, http)[0]!);
  const stacks = await fit(bench, [direct, haproxy, nginxLua, ...portcullis, usualComposition]);
  // Warmed up by many: what runs compiled just in time has hardly begun to after two seconds of one.
  const warmUpConnections = bench.options.connections;
  const loads = await runRounds(bench, { stacks, keys: keySet(), connections: 1, warmUpConnections });
  const yardstick = loads.get(haproxy.name);
  const rows = stacks.map(({ name, title }): LatencyRow & { title: string } => {
    const own = loads.get(name)!;
    const us = (figure: 'p50Ms' | 'p99Ms' | 'p999Ms') => spreadOf(own.map((load) => load[figure] * 1000)).median;
    const ratio = (figure: 'p50Ms' | 'p99Ms') =>
      spreadOf(own.map((load, round) => load[figure] / (yardstick?.[round]?.[figure] ?? Number.NaN))).median;
    return {
      name,
      title,
      p50Us: us('p50Ms'),
      p99Us: us('p99Ms'),
      p999Us: us('p999Ms'),
      p50Ratio: ratio('p50Ms'),
      p99Ratio: ratio('p99Ms'),
    };
  });
  console.log(`${machine}\n1 connection, ${bench.options.rounds} rounds of ${bench.options.seconds} s, medians\n`);
  printTable(
    ['stack', 'p50 µs', '× HAProxy', 'p99 µs', '× HAProxy', 'p99.9 µs'],
    rows.map((row) => [
      row.title,
      row.p50Us.toFixed(0),
      row.p50Ratio.toFixed(2),
      row.p99Us.toFixed(0),
      row.p99Ratio.toFixed(2),
      row.p999Us.toFixed(0),
    ]),
  );
  keepResults('latency', bench.options, machine, { rows });
}
