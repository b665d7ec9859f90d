// The whole job on Portcullis and on every peer that is installed: what a request costs, as a ratio to HAProxy's.
import type { Bench } from '../bench.ts';
import { keySet } from '../keys.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { runRounds } from '../rounds.ts';
import type { Stack } from '../stack.ts';
import { stacksOf } from '../stacks/all.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import type { Load } from '../wrk.ts';
import { fit } from './fit.ts';

/** What all others are divided by. */
const YARDSTICK = 'haproxy';

export interface WholeJobRow {
  readonly name: string;
  readonly title: string;
  readonly cpuUs: Spread;
  /** To HAProxy's whole job in the same round. */
  readonly ratio: Spread | null;
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly storeUs: number;
  /** Cores that other programs kept busy: the more, the less the figures say. */
  readonly foreignCores: number;
  readonly errors: number;
}

export async function wholeJob(bench: Bench): Promise<void> {
  const machine = machineLine();
  const stacks = await fit(bench, stacksOf(bench.session));
  const { connections, rounds, seconds } = bench.options;
  const loads = await runRounds(bench, { stacks, keys: keySet(), connections });
  const rows = stacks.map((stack) => rowOf(stack, loads.get(stack.name)!, loads.get(YARDSTICK)));
  console.log(`${machine}\n${connections} connections, ${rounds} rounds of ${seconds} s, medians (least to most)\n`);
  const heads = [
    'stack',
    'CPU µs a request',
    '× HAProxy',
    'requests/s',
    'p50 ms',
    'p99 ms',
    'its Redis, µs',
    'cores used by others',
    'failed',
  ];
  printTable(heads, rows.map(cellsOf));
  keepResults('whole-job', bench.options, machine, { rows });
}

function rowOf({ name, title }: Stack, loads: readonly Load[], yardstick: readonly Load[] | undefined): WholeJobRow {
  const of = (figure: (load: Load) => number) => spreadOf(loads.map(figure));
  const ratios = loads.map((each, round) => each.cpuUsPerRequest / (yardstick?.[round]?.cpuUsPerRequest ?? Number.NaN));
  return {
    name,
    title,
    cpuUs: of((load) => load.cpuUsPerRequest),
    ratio: yardstick ? spreadOf(ratios) : null,
    requestsPerS: of((load) => load.requestsPerS).median,
    p50Ms: of((load) => load.p50Ms).median,
    p99Ms: of((load) => load.p99Ms).median,
    storeUs: of((load) => load.storeUsPerRequest).median,
    foreignCores: of((load) => load.foreignCores).median,
    errors: loads.reduce((sum, load) => sum + load.errors, 0),
  };
}

function cellsOf(row: WholeJobRow): string[] {
  return [
    row.title,
    spread(row.cpuUs, 1),
    row.ratio ? spread(row.ratio, 2) : '',
    row.requestsPerS.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.storeUs === 0 ? '' : row.storeUs.toFixed(1),
    row.foreignCores.toFixed(2),
    row.errors === 0 ? '' : String(row.errors),
  ];
}

function spread({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}
