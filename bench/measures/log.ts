// Standard output that nobody reads any more: requests must not wait for it, and what is dropped must be counted.
import type { Bench } from '../bench.ts';
import { fastestListener, type GatewayOptions, metric, startGateway } from '../gateway.ts';
import { keySet } from '../keys.ts';
import { startUpstream } from '../nginx.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { load } from '../wrk.ts';

const WARM_UP_S = 2;

interface LogRow {
  readonly what: string;
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest that any request took. */
  readonly longestMs: number;
  readonly errors: number;
  readonly droppedLines: number;
}

export async function log(bench: Bench): Promise<void> {
  const machine = machineLine();
  const http = await fastestListener(bench);
  const rows = [
    await measure(bench, 'no line a request', { http, requests: 'denied', output: 'read' }),
    await measure(bench, 'a line a request, read', { http, requests: 'all', output: 'read' }),
    await measure(bench, 'a line a request, not read', { http, requests: 'all', output: 'unread' }),
  ];
  console.log(
    `${machine}\n${bench.options.connections} connections, ${bench.options.seconds} s each, the ${http} listener\n`,
  );
  printTable(
    ['standard output', 'requests/s', 'p50 ms', 'p99 ms', 'longest ms', 'failed', 'portcullis_log_dropped_total'],
    rows.map((row) => [
      row.what,
      row.requestsPerS.toFixed(0),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.longestMs.toFixed(1),
      row.errors,
      row.droppedLines,
    ]),
  );
  keepResults('log', bench.options, machine, { rows });
}

async function measure({ session, options, say }: Bench, what: string, how: GatewayOptions): Promise<LogRow> {
  say(what);
  const keys = keySet();
  const upstream = await startUpstream(session);
  const gateway = await startGateway({ session, keys, upstream: upstream.port }, how);
  try {
    const asked = { connections: options.connections, keys: keys.working.map(({ text }) => text) };
    await load(session, gateway, { ...asked, seconds: WARM_UP_S });
    const { requestsPerS, p50Ms, p99Ms, maxMs, errors } = await load(session, gateway, {
      ...asked,
      seconds: options.seconds,
    });
    const droppedLines = await metric(gateway, 'portcullis_log_dropped_total');
    return { what, requestsPerS, p50Ms, p99Ms, longestMs: maxMs, errors, droppedLines };
  } finally {
    await gateway.stop();
    await upstream.stop();
  }
}
