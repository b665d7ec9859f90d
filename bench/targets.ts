// What PERFORMANCE asks for, as data: each target with its bound, and where its figure stands in the results.
import type { MemoryFigures, GrowthRow } from './measures/growth.ts';
import type { LatencyRow } from './measures/latency.ts';
import type { RedisFigures } from './measures/redis.ts';
import type { StreamRow } from './measures/stream.ts';
import type { WholeJobRow } from './measures/whole-job.ts';
import type { WorkersRow } from './measures/workers.ts';
import { WHOLE_JOB } from './options.ts';

/** What the measurements kept last, by name; each undefined where it was not run. */
export interface Results {
  readonly [WHOLE_JOB]?: { readonly rows: readonly WholeJobRow[] };
  readonly latency?: { readonly rows: readonly LatencyRow[] };
  readonly redis?: RedisFigures;
  readonly growth?: { readonly rows: readonly GrowthRow[]; readonly memory?: MemoryFigures };
  readonly workers?: { readonly rows: readonly WorkersRow[] };
  readonly stream?: { readonly rows: readonly StreamRow[] };
}

export interface Target {
  readonly number: number;
  readonly what: string;
  readonly bound: { readonly most: number } | { readonly least: number };
  /** Undefined where it was not measured. */
  readonly figure: (results: Results) => number | undefined;
}

/** The listener that is held against peers: the faster one, where this version has it. */
const LISTENERS = ['strict', 'node'] as const;

export const TARGETS: readonly Target[] = [
  wholeJob('whole job, strict listener, × HAProxy', 1.15, (row) => row('portcullis-strict')?.ratio?.median),
  wholeJob('whole job, node:http listener, × HAProxy', 1.6, (row) => row('portcullis-node')?.ratio?.median),
  ...LISTENERS.flatMap((http) =>
    (['pipe', 'file'] as const).map((kind) =>
      wholeJob(`request log to a ${kind}, ${http} listener, more × HAProxy`, 0.3, (row) =>
        less(row(`portcullis-${http}-log-${kind}`)?.ratio?.median, row(`portcullis-${http}`)?.ratio?.median),
      ),
    ),
  ),
  ...LISTENERS.map((http) =>
    wholeJob(`a connection a request, ${http} listener, × HAProxy's`, 1.5, (row) =>
      over(row(`portcullis-${http}-close`)?.cpuUs.median, row('haproxy-close')?.cpuUs.median),
    ),
  ),
  cheaper('the usual composition', 'usual', 10),
  cheaper('the usual composition without keep-alive to the upstream', 'usual-no-keepalive', 10),
  cheaper("fastify's", 'fastify', 5),
  cheaper('Express Gateway', 'express-gateway', 50),
  latency('p50 at one connection, × HAProxy', 1.05, (row) => row.p50Ratio),
  latency('p99 at one connection, × HAProxy', 2, (row) => row.p99Ratio),
  {
    number: 4,
    what: 'Redis commands a request, one key under steady load',
    bound: { most: 0.05 },
    figure: ({ redis }) => redis?.steady.commandsPerRequest,
  },
  {
    number: 4,
    what: 'Redis commands a denial of a malformed key',
    bound: { most: 0 },
    figure: ({ redis }) => redis?.malformed.commandsPerRequest,
  },
  growth('1,000,000 keys in the store', 'keys'),
  growth('1,000 routes', 'routes'),
  growth('10,000 CIDRs on a key', 'one-key-cidrs'),
  growth('20 limits on a plan', 'limits'),
  {
    number: 5,
    what: 'MB resident with 100,000 keys in use',
    bound: { most: 120 },
    figure: ({ growth: kept }) => kept?.memory?.workingSetMb,
  },
  {
    number: 6,
    what: 'throughput with as many workers as cores, of what the cores leave room for',
    bound: { least: 0.85 },
    figure: ({ workers }) => {
      const row = workers?.rows.at(-1);
      return row && row.workers > 1 ? row.requestsPerS / row.attainablePerS : undefined;
    },
  },
  ...(['down', 'up'] as const).flatMap((way) => [
    stream(`1 GiB ${way}, rate × nginx`, way, { least: 0.8 }, (row) => row.ratio),
    stream(`1 GiB ${way}, MiB above idle`, way, { most: 32 }, (row) => row.peakMib),
  ]),
];

/** Whether a figure is as good as its bound. */
export function isMet({ bound }: Target, figure: number): boolean {
  return 'most' in bound ? figure <= bound.most : figure >= bound.least;
}

type FindRow = (name: string) => WholeJobRow | undefined;

function wholeJob(what: string, most: number, figure: (row: FindRow) => number | undefined): Target {
  return {
    number: 1,
    what,
    bound: { most },
    figure: (results) => figure((name) => results[WHOLE_JOB]?.rows.find((row) => row.name === name)),
  };
}

function cheaper(title: string, name: string, least: number): Target {
  return {
    number: 2,
    what: `times cheaper than ${title}`,
    bound: { least },
    figure: ({ [WHOLE_JOB]: kept }) =>
      over(kept?.rows.find((row) => row.name === name)?.cpuUs.median, ofFastestListener(kept?.rows)?.cpuUs.median),
  };
}

function latency(what: string, most: number, figure: (row: LatencyRow) => number): Target {
  return {
    number: 3,
    what,
    bound: { most },
    figure: ({ latency: kept }) => found(ofFastestListener(kept?.rows), figure),
  };
}

function growth(what: string, name: string): Target {
  return {
    number: 5,
    what: `${what}, × the small configuration`,
    bound: { most: 1.15 },
    figure: ({ growth: kept }) => kept?.rows.find((row) => row.name === name)?.ratio.median,
  };
}

function stream(
  what: string,
  way: StreamRow['way'],
  bound: Target['bound'],
  figure: (row: StreamRow) => number,
): Target {
  return {
    number: 7,
    what,
    bound,
    figure: ({ stream: kept }) => found(ofFastestListener(kept?.rows.filter((row) => row.way === way)), figure),
  };
}

function ofFastestListener<Row extends { readonly name: string }>(rows: readonly Row[] = []): Row | undefined {
  return LISTENERS.map((http) => rows.find(({ name }) => name === `portcullis-${http}`)).find(
    (row) => row !== undefined,
  );
}

function found<Row>(row: Row | undefined, figure: (row: Row) => number): number | undefined {
  return row === undefined ? undefined : figure(row);
}

function over(dividend: number | undefined, divisor: number | undefined): number | undefined {
  return dividend === undefined || divisor === undefined ? undefined : dividend / divisor;
}

function less(from: number | undefined, taken: number | undefined): number | undefined {
  return from === undefined || taken === undefined ? undefined : from - taken;
}
